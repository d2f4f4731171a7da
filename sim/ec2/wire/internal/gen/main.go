// Command gen makes the shapes of the EC2 API in package wire.
//
//	go run ./internal/gen                 generate zz_*.go from model.json
//	go run ./internal/gen -botocore FILE  make model.json anew first
//
// model.json is botocore's data/ec2/2016-11-15/service-2.json (or .json.gz) cut
// down to the operations of operations.txt, without its documentation.
// Any botocore will do, but the clients of today send what theirs knows (such as
// a ClientToken), so take a new one. It is run in the directory of package wire.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	botocore := flag.String("botocore", "", "service-2.json or service-2.json.gz of EC2 in botocore, to prune anew")
	version := flag.String("version", "", "version of that botocore, for the record")
	flag.Parse()
	if err := run(".", *botocore, *version); err != nil {
		log.Fatal("gen: ", err)
	}
}

func run(dir, botocore, version string) error {
	if botocore != "" {
		if err := pruneFile(dir, botocore, version); err != nil {
			return err
		}
	}
	m, err := readModel(filepath.Join(dir, "model.json"))
	if err != nil {
		return err
	}
	files, err := generate(m)
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func pruneFile(dir, botocore, version string) error {
	full, err := readModel(botocore)
	if err != nil {
		return err
	}
	list, err := os.ReadFile(filepath.Join(dir, "operations.txt"))
	if err != nil {
		return err
	}
	m, err := prune(full, strings.Fields(string(list)))
	if err != nil {
		return err
	}
	m.Source = strings.Join(strings.Fields(fmt.Sprintf("botocore %s data/ec2/%s/service-2.json, pruned; Apache-2.0, see NOTICE", version, m.Metadata.APIVersion)), " ")
	return os.WriteFile(filepath.Join(dir, "model.json"), m.format(), 0o644)
}

func readModel(file string) (model, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return model{}, err
	}
	if strings.HasSuffix(file, ".gz") {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return model{}, err
		}
		if data, err = io.ReadAll(r); err != nil {
			return model{}, err
		}
	}
	var m model
	if err := json.Unmarshal(data, &m); err != nil {
		return model{}, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

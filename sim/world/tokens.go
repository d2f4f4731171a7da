package world

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"labsim/sim"
)

// once makes something at most once per client token (EC2 API Reference,
// "Ensuring idempotency in Amazon EC2 API requests"): the same request again
// gets what the first one made, another request with its token is refused. A
// token whose resource is gone counts as unused. A request's type is named as its
// operation.
func once[T any, K ~string](tx *Tx, token string, in any, get func(K) (T, error), make func() (T, K, error)) (T, error) {
	if token == "" {
		out, _, err := make()
		return out, err
	}
	var none T
	if len(token) > maxClientToken {
		return none, sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter clientToken is invalid. The length exceeds the maximum of %d characters.", token, maxClientToken)
	}
	if err := sim.CheckText("clientToken", token); err != nil {
		return none, err
	}
	request, err := requestHash(in)
	if err != nil {
		return none, err
	}
	key := string(tx.Account) + "/" + reflect.TypeOf(in).Name() + "/" + token
	if used, ok := tx.Tokens.Get(key); ok {
		out, err := get(K(used.Resource))
		switch {
		case err != nil: // gone
		case used.Request != request:
			return none, sim.Errorf("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
		default:
			return out, nil
		}
	}
	out, id, err := make()
	if err != nil {
		return none, err
	}
	put(tx, tx.Tokens, key, Token{Request: request, Resource: string(id), Used: tx.Now})
	return out, nil
}

func requestHash(in any) (string, error) {
	data, err := json.Marshal(in)
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:]), err
}

// tokenLife is how long a token holds once its resource is gone (EC2 API Reference,
// "Ensuring idempotency", of terminated instances).
const tokenLife = 24 * time.Hour

// purgeTokens forgets the tokens that were used before a time and whose resource is gone.
func (tx *Tx) purgeTokens(before time.Time) {
	var gone []string
	for key, t := range tx.Tokens.All() {
		if t.Used.Before(before) && !tx.stands(t.Resource) {
			gone = append(gone, key)
		}
	}
	for _, key := range gone {
		remove(tx, tx.Tokens, key)
	}
}

func (tx *Tx) stands(resource string) bool {
	if strings.HasPrefix(resource, sim.PrefixReservation+"-") {
		return tx.Instances.has(instancesByReservation, resource)
	}
	for t := range tx.tables() {
		if t.hasRow(resource) {
			return true
		}
	}
	return false
}

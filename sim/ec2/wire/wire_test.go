package wire

import (
	"bytes"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"labsim/sim"
)

func TestDecodeQuery(t *testing.T) {
	tests := []struct {
		name, query string
		into, want  any
	}{
		{"locationName is capitalised", "VpcId=vpc-1&EnableDnsSupport.Value=false", &ModifyVpcAttributeRequest{},
			&ModifyVpcAttributeRequest{VpcId: new("vpc-1"), EnableDnsSupport: &AttributeBooleanValue{Value: new(false)}}},
		{"lists are flattened, in the order of their numbers", "Filter.2.Name=b&Filter.1.Name=a&Filter.1.Value.1=x&Filter.1.Value.2=y&Filter.10.Name=c", &DescribeVpcsRequest{},
			&DescribeVpcsRequest{Filters: []Filter{{Name: new("a"), Values: []string{"x", "y"}}, {Name: new("b")}, {Name: new("c")}}}},
		{"an empty value is not a missing one", "GroupName=&GroupDescription=d", &CreateSecurityGroupRequest{},
			&CreateSecurityGroupRequest{GroupName: new(""), Description: new("d")}},
		{"a blob is base64", "KeyName=k&PublicKeyMaterial=c3NoLXJzYQ==", &ImportKeyPairRequest{},
			&ImportKeyPairRequest{KeyName: new("k"), PublicKeyMaterial: []byte("ssh-rsa")}},
		{"queryName comes before locationName", "MinCount=1&MaxCount=1&NetworkInterface.1.Ipv6Addresses.1.Ipv6Address=::1", &RunInstancesRequest{},
			&RunInstancesRequest{MinCount: new(1), MaxCount: new(1), NetworkInterfaces: []InstanceNetworkInterfaceSpecification{{Ipv6Addresses: []InstanceIpv6Address{{Ipv6Address: new("::1")}}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			values, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if err := DecodeQuery(values, tt.into); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.into); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeQueryErrors(t *testing.T) {
	tests := []struct{ query, code, message string }{
		{"ImageId=ami-1&MinCount=1&MaxCount=1&Colour=red", "UnknownParameter", "The parameter Colour is not recognized"},
		{"MinCount=1&MaxCount=1&NetworkInterface.1.Colour.Shade=red", "UnknownParameter", "The parameter NetworkInterface.1.Colour.Shade is not recognized"},
		{"MinCount=1&MaxCount=1&SecurityGroupId.x=sg-1", "UnknownParameter", "The parameter SecurityGroupId.x is not recognized"},
		{"MinCount=1&MaxCount=1&SecurityGroupId.01=sg-1", "UnknownParameter", "The parameter SecurityGroupId.01 is not recognized"},
		{"MinCount=1&MaxCount=1&SecurityGroupId=sg-1", "UnknownParameter", "The parameter SecurityGroupId is not recognized"},
		{"MinCount=1&MaxCount=1&Placement=x", "UnknownParameter", "The parameter Placement is not recognized"},
		{"MinCount=1&MaxCount=1&ImageId.1=x", "UnknownParameter", "The parameter ImageId.1 is not recognized"},
		{"MinCount=one&MaxCount=1", "InvalidParameterValue", "Value (one) for parameter MinCount is invalid. Expected an integer"},
		{"MinCount=1&MaxCount=99999999999", "InvalidParameterValue", "Value (99999999999) for parameter MaxCount is invalid. Expected an integer"},
		{"MinCount=1&MaxCount=1&BlockDeviceMapping.1.Ebs.DeleteOnTermination=maybe", "InvalidParameterValue",
			"Value (maybe) for parameter BlockDeviceMapping.1.Ebs.DeleteOnTermination is invalid. Expected true or false"},
		{"MinCount=1&MinCount=2&MaxCount=1", "InvalidParameterValue", "The parameter MinCount may only be given once"},
		{"MinCount=1", "MissingParameter", "The request must contain the parameter MaxCount"},
	}
	for _, tt := range tests {
		values, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		err = DecodeQuery(values, &RunInstancesRequest{})
		if diff := cmp.Diff(error(&sim.Error{Code: tt.code, Message: tt.message}), err); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
}

func TestEncodeXML(t *testing.T) {
	at := time.Date(2026, 11, 23, 1, 2, 3, 4_000_000, time.UTC)
	out := &Volume{VolumeId: new("vol-1"), Size: new(8), CreateTime: &at, Encrypted: new(false), Attachments: []VolumeAttachment{},
		Tags: []Tag{{Key: new("Name"), Value: new("a <b> & \"c\"\n")}}}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<CreateVolumeResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId><attachmentSet></attachmentSet>` +
		`<createTime>2026-11-23T01:02:03.004Z</createTime><encrypted>false</encrypted><size>8</size>` +
		`<tagSet><item><key>Name</key><value>a &lt;b&gt; &amp; &#34;c&#34;&#xA;</value></item></tagSet><volumeId>vol-1</volumeId></CreateVolumeResponse>`
	got := EncodeXML("CreateVolume", "r-1", out)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("XML (-want +got):\n%s", diff)
	}
	var back Volume
	if err := DecodeXML(bytes.NewReader(got), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out, &back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	const done = xmlHeader + `<DeleteVolumeResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-2</requestId><return>true</return></DeleteVolumeResponse>`
	if diff := cmp.Diff(done, string(EncodeXML("DeleteVolume", "r-2", nil))); diff != "" {
		t.Errorf("XML of an operation without an answer (-want +got):\n%s", diff)
	}
}

// What is encoded decodes to the same, in both directions, whatever the values.
func TestRoundTrip(t *testing.T) {
	shapes := []reflect.Type{reflect.TypeFor[RunInstancesRequest](), reflect.TypeFor[AuthorizeSecurityGroupIngressRequest](),
		reflect.TypeFor[ImportKeyPairRequest](), reflect.TypeFor[ModifyInstanceAttributeRequest](), reflect.TypeFor[DescribeInstancesResult](),
		reflect.TypeFor[DescribeRouteTablesResult](), reflect.TypeFor[DescribeVolumesResult]()}
	rapid.Check(t, func(t *rapid.T) {
		shape := rapid.SampledFrom(shapes).Draw(t, "shape")
		want := reflect.New(shape)
		fill(t, want.Elem(), 0, false)
		got := reflect.New(shape)
		if err := DecodeXML(bytes.NewReader(EncodeXML("X", "r", want.Interface())), got.Interface()); err != nil {
			t.Fatalf("XML: %v", err)
		}
		if diff := cmp.Diff(want.Interface(), got.Interface()); diff != "" {
			t.Fatalf("XML (-want +got):\n%s", diff)
		}
		fill(t, want.Elem(), 0, true)
		got = reflect.New(shape)
		if err := DecodeQuery(EncodeQuery(want.Interface()), got.Interface()); err != nil {
			t.Fatalf("query: %v", err)
		}
		if diff := cmp.Diff(want.Interface(), got.Interface()); diff != "" {
			t.Fatalf("query (-want +got):\n%s", diff)
		}
	})
}

// fill sets fields at random. A query can't say that a list or a struct is
// there and empty, so with forQuery each has something, and what is required is set.
func fill(t *rapid.T, v reflect.Value, depth int, forQuery bool) {
	switch typ := v.Type(); {
	case isStruct(typ):
		v.SetZero()
		for n, f := range infoOf(typ).fields {
			must := forQuery && (f.required || n == 0)
			if must || depth < 4 && rapid.IntRange(0, 4).Draw(t, "present") == 0 {
				fill(t, v.Field(n), depth+1, forQuery)
			}
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(typ.Elem()))
		fill(t, v.Elem(), depth, forQuery)
	case isBlob(typ):
		v.SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "blob"))
		if v.IsNil() {
			v.SetBytes([]byte{})
		}
	case v.Kind() == reflect.Slice:
		least := 0
		if forQuery {
			least = 1
		}
		v.Set(reflect.MakeSlice(typ, rapid.IntRange(least, 2).Draw(t, "length"), 2))
		for n := range v.Len() {
			fill(t, v.Index(n), depth+1, forQuery)
		}
	case typ == timeType:
		v.Set(reflect.ValueOf(time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "time")).UTC()))
	case v.Kind() == reflect.String:
		v.SetString(rapid.StringMatching(`[ -~가-힣\n]{0,6}`).Draw(t, "string"))
	case v.Kind() == reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case v.Kind() == reflect.Float64:
		v.SetFloat(rapid.Float64Range(-1e6, 1e6).Draw(t, "float"))
	default:
		v.SetInt(int64(rapid.Int32().Draw(t, "int")))
	}
}

// Whatever comes in, decoding ends with a shape or with an error of the API.
func FuzzDecodeQuery(f *testing.F) {
	f.Add("MinCount=1&MaxCount=1&NetworkInterface.1.SecurityGroupId.1=sg-1&BlockDeviceMapping.1.Ebs.VolumeSize=8")
	f.Add("Filter.1.Value.3=&Filter.1=x&.=1&..=&Filter.=2")
	f.Add("MinCount.=1&MinCount=1&UserData=%00")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		var in RunInstancesRequest
		if err := DecodeQuery(values, &in); err != nil {
			if sim.ErrorCode(err) == "" {
				t.Fatalf("%q: %v is not an error of the API", query, err)
			}
			return
		}
		var again RunInstancesRequest
		if err := DecodeQuery(EncodeQuery(&in), &again); err != nil && sim.ErrorCode(err) != sim.CodeMissingParameter {
			t.Fatalf("%q: decoded once, not twice: %v", query, err)
		}
	})
}

func BenchmarkDecodeRunInstances(b *testing.B) {
	values, _ := url.ParseQuery("ImageId=ami-1&MinCount=1&MaxCount=1&InstanceType=t3.micro&KeyName=lab&ClientToken=t" +
		"&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId=subnet-1&NetworkInterface.1.PrivateIpAddress=10.0.1.10&NetworkInterface.1.SecurityGroupId.1=sg-1" +
		"&BlockDeviceMapping.1.DeviceName=/dev/sdf&BlockDeviceMapping.1.Ebs.VolumeSize=2&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=web")
	for b.Loop() {
		var in RunInstancesRequest
		if err := DecodeQuery(values, &in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeInstances1000(b *testing.B) {
	address := new("10.0.1.10")
	one := Instance{InstanceId: new("i-0123456789abcdef0"), ImageId: new("ami-0123456789abcdef0"), InstanceType: new("t3.micro"), State: &InstanceState{Code: new(16), Name: new("running")},
		VpcId: new("vpc-0123456789abcdef0"), SubnetId: new("subnet-0123456789abcdef0"), PrivateIpAddress: address, LaunchTime: new(time.Now()), Architecture: new("x86_64"),
		Placement: &Placement{AvailabilityZone: new("us-east-1a"), Tenancy: new("default")}, Tags: []Tag{{Key: new("Name"), Value: new("web")}},
		SecurityGroups: []GroupIdentifier{{GroupId: new("sg-0123456789abcdef0"), GroupName: new("web")}},
		NetworkInterfaces: []InstanceNetworkInterface{{NetworkInterfaceId: new("eni-0123456789abcdef0"), PrivateIpAddress: address, MacAddress: new("0a:00:00:00:00:01"),
			PrivateIpAddresses: []InstancePrivateIpAddress{{Primary: new(true), PrivateIpAddress: address}}}}}
	out := &DescribeInstancesResult{Reservations: []Reservation{{ReservationId: new("r-0123456789abcdef0"), Instances: slices.Repeat([]Instance{one}, 1000)}}}
	for b.Loop() {
		b.SetBytes(int64(len(EncodeXML("DescribeInstances", "id", out))))
	}
}

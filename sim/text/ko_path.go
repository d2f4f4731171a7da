package text

var _ = add(map[string]string{
	"%q is no traffic": "%q은(는) 트래픽을 나타내지 않습니다",
	"Write tcp/PORT, udp/PORT or icmp, for example tcp/5432": "tcp/포트, udp/포트 또는 icmp로 쓰십시오. 예: tcp/5432",
})

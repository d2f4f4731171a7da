package text

var _ = add(map[string]string{
	"internet":         "인터넷",
	"internet gateway": "인터넷 게이트웨이",
	"public subnet":    "퍼블릭 서브넷",
	"private subnet":   "프라이빗 서브넷",
	"draw what stands, and what can reach what": "무엇이 있고 무엇이 어디에 닿는지 그립니다",
	"as a picture: labsim graph --svg >lab.svg": "그림으로: labsim graph --svg >lab.svg",
})

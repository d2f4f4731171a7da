package text

var _ = add(map[string]string{
	"list the copies of labsim's own state, and put one back where it was lost or damaged": "labsim 상태의 사본을 나열하고, 상태가 없어지거나 손상되었을 때 사본으로 되돌립니다",
	"list the copies of the state: how old they are and what is in them":                   "상태의 사본을 나열합니다: 만든 시각과 내용",
	"put a copy of the state back, the newest one unless another is named":                 "상태를 사본으로 되돌립니다. 이름을 지정하지 않으면 최신 사본을 사용합니다",
	"a simulated site has no state that outlives it, so there are no copies":               "시뮬레이션 사이트는 종료 후에 남는 상태가 없으므로 사본도 없습니다",

	"there is no copy of the state of the site %s":      "사이트 %s에는 상태의 사본이 없습니다",
	"there is no good copy of the state of the site %s": "사이트 %s에는 쓸 수 있는 상태 사본이 없습니다",
	"there is no good copy %s of the state":             "쓸 수 있는 상태 사본 %s이(가) 없습니다",

	"COPY": "사본", "TAKEN": "만든 시각", "AGE": "경과", "INSTANCES": "인스턴스", "VOLUMES": "볼륨",
	"damaged: %s": "손상됨: %s",

	"State of the site %s: %s": "사이트 %s의 상태: %s",
	"what lay in its place is beside it, as %s in the Docker volume %s": "그 자리에 있던 파일의 이름은 이제 %s이고 Docker 볼륨 %s에 남아 있습니다",

	"the copy %s is %s old and knows %d VPCs, %d volumes and %d instances: %s": "사본 %s은(는) %s 전에 만들었으며 VPC %d개, 볼륨 %d개, 인스턴스 %d개가 있습니다: %s",
	"the copy does not know the instance %s (%s): it goes, with its root disk": "사본에 인스턴스 %s(%s)이(가) 없습니다. 이 인스턴스는 루트 디스크와 함께 삭제됩니다",
	"Put it back?":         "이 사본으로 되돌릴까요?",
	"Take all of it away?": "모두 삭제할까요?",

	"the state of the site %s was lost; what it made still stands, and labsim neither changes nor removes it before you say so": "사이트 %s의 상태가 없어졌습니다. 만들어 둔 것은 그대로 있으며, 사용자가 결정하기 전에는 labsim이 바꾸거나 삭제하지 않습니다",
	"subnets":           "서브넷",
	"internet gateways": "인터넷 게이트웨이",
	"labsim state restore   # puts back the copy that is %s old: %s":                  "labsim state restore   # %s 전의 사본으로 되돌립니다: %s",
	"labsim down --all   # takes all of the site away; the data of the volumes stays": "labsim down --all   # 사이트를 모두 삭제합니다. 볼륨의 데이터는 남습니다",
})

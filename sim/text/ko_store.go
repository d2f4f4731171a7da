package text

var _ = add(map[string]string{
	"%s was written by a newer labsim (format %d; this one knows up to %d)": "%s은(는) 더 새로운 labsim이 작성했습니다(형식 %d, 이 버전은 %d까지 지원)",
	"Run the newer labsim again. The file was not changed.":                 "더 새로운 labsim을 다시 실행하십시오. 파일은 변경되지 않았습니다.",

	"%s is of format %d and could not be brought to format %d": "%s은(는) 형식 %d이며 형식 %d(으)로 변환하지 못했습니다",
	"Run the labsim that wrote it. The file is as it was.":     "이 파일을 작성한 labsim을 실행하십시오. 파일은 그대로입니다.",

	"%s is not a state file of labsim, or is damaged":                        "%s은(는) labsim 상태 파일이 아니거나 손상되었습니다",
	"It puts the last good copy in its place. The file was not changed.":     "마지막 정상 사본으로 되돌리는 명령입니다. 파일은 변경되지 않았습니다.",
	"the state of labsim can't be read by this build":                        "이 빌드는 labsim의 상태를 읽을 수 없습니다",
	"the state in %s is that of the site %s, not of %s":                      "%s의 상태는 사이트 %s의 것이며 %s의 것이 아닙니다",
	"the copy %s can't be used":                                              "사본 %s을(를) 사용할 수 없습니다",
	"%d states lie aside already beside %s, and none of them is overwritten": "치워 둔 상태가 이미 %d개 %s 옆에 있으며 그중 어느 것도 덮어쓰지 않습니다",
	"Remove those that nobody needs: %s":                                     "필요 없는 것을 지우십시오: %s",
	"there is no space left on the disk that holds %s":                       "%s이(가) 있는 디스크에 남은 공간이 없습니다",
	"Free some space and start again. The file was not changed.":             "공간을 확보한 뒤 다시 시작하십시오. 파일은 변경되지 않았습니다.",
	"%s is in use by another labsim":                                         "다른 labsim이 %s을(를) 사용 중입니다",
	"End the other one, or wait until it has ended.":                         "다른 labsim을 종료하거나 끝날 때까지 기다리십시오.",
	"%s can't be opened":                                                     "%s을(를) 열 수 없습니다",
	"Check that its directory exists and may be written to.":                 "디렉터리가 있고 쓸 수 있는지 확인하십시오.",
	"Check the disk: space left, read-only, errors in the kernel's log.":     "디스크를 확인하십시오: 남은 공간, 읽기 전용 여부, 커널 로그의 오류.",
})

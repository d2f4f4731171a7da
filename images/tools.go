package images

import "strings"

// Tools are the names under which the guest's tools stand in the image: a test
// holds them against the applets that there are. They are written out so that
// the image can be built on a system where the guest's code doesn't compile.
var Tools = strings.Fields(`
[ arp ash awk base64 basename bash cat chgrp chmod chown clear cmp cp curl cut dash date dd df diff dig dirname du
echo egrep env expr false fgrep find flock free grep groups gunzip gzip halt head hexdump host hostname httpd id
ifconfig install ip kill killall less ln logger ls lsblk md5sum mkdir mkfifo mktemp more mount mv nano nc ncat netcat
netstat nice nl nohup nproc nslookup pgrep pidof ping ping6 pkill poweroff printenv printf ps pwd readlink realpath
reboot reset rev rm rmdir route sed seq setsid sftp-server sh sha1sum sha256sum sha512sum shutdown sleep sort ss stat
strings su sudo sync tac tail tar tee test time timeout top touch tr traceroute true truncate tty umount uname uniq
uptime vi vim w watch wc wget which who whoami xargs xxd yes zcat
`)

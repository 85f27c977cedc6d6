// Connecting in Go, with a key (CURVE) where there is one: bus/PROTOCOL.md section 14.
package main

import (
	"os"
	"regexp"
	"strings"
)

// connect connects: with a key (CURVE, section 14) if HULAK_KEY names its file and the address is TCP.
func (s Socket) connect(address string) {
	path := os.Getenv("HULAK_KEY")
	if path == "" || !strings.HasPrefix(address, "tcp://") {
		s.connectTo(address)
		return
	}
	file, err := os.ReadFile(path)
	check(err)
	key := map[string]string{}
	for _, pair := range regexp.MustCompile(`(?m)^(\w+) = "(.{40})"$`).FindAllStringSubmatch(string(file), -1) {
		key[pair[1]] = pair[2] + "\x00"
	}
	s.setInt(immediate, 1) // nothing is queued for a connection that is not made
	s.setText(curvePublic, key["public"])
	s.setText(curveSecret, key["secret"])
	s.setText(curveServer, key["server"])
	s.connectTo(address)
	if next, ok := key["server_next"]; ok { // the broker's key is being replaced: of these two connections only one is made
		s.setText(curveServer, next)
		s.connectTo(strings.Replace(address, "tcp://", "tcp://0.0.0.0:0;", 1)) // libzmq connects to one text only once
	}
}

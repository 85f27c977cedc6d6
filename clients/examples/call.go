// Calls of an action in Go: bus/PROTOCOL.md section 4.
//
//	apt-get install golang-go libzmq3-dev golang-github-vmihailenco-msgpack.v5-dev
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o call call.go hulak*.go
//	./call ipc://$run/frontend.ipc sums add 3
//
// Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
package main

import (
	"fmt"
	"os"
	"time"
)

const (
	againMS = 1000 // without an answer the request is sent again, under its id: the broker joins it with the one in progress
	giveUp  = time.Minute
)

// call returns the kind of the last answer, its value or code, and the parts.
func call(asking Socket, service, action string, args map[string]uint64) (kind byte, value any, parts []any) {
	id := newID()
	options := map[string]int64{"timeout_ms": giveUp.Milliseconds()}
	for deadline := time.Now().Add(giveUp); time.Now().Before(deadline); {
		asking.send('Q', id, service, action, args, options)
		for answer := asking.receive(); answer != nil; answer = asking.receive() {
			if !answer.answers(id) {
				continue // of an earlier call
			}
			if answer.kind != 'P' {
				answer.read(1, &value)
				return answer.kind, value, parts
			}
			var number int
			if answer.read(1, &number); number == 1 {
				parts = nil // another attempt sends its parts from the first one on
			}
			var part any
			answer.read(2, &part)
			parts = append(parts, part)
		}
	}
	return 'E', "NO_ANSWER", parts
}

func main() {
	frontend, service, action := os.Args[1], os.Args[2], os.Args[3]
	asking := newSocket(dealer)
	asking.setInt(rcvtimeo, againMS)
	asking.setInt(linger, 0)
	asking.connect(frontend)
	for n := uint64(1); n <= parsed(os.Args[4]); n++ {
		kind, value, parts := call(asking, service, action, map[string]uint64{"a": n, "b": n})
		for _, part := range parts {
			fmt.Println("part", part)
		}
		if kind == 'R' {
			fmt.Println("reply", value)
		} else {
			fmt.Println("error", value)
		}
	}
	asking.close()
}

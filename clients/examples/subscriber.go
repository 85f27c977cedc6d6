// A subscriber in Go that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
//
//	apt-get install golang-go libzmq3-dev golang-github-vmihailenco-msgpack.v5-dev
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o subscriber subscriber.go hulak*.go
//	./subscriber ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
//
// Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
package main

import (
	"fmt"
	"os"

	"github.com/vmihailenco/msgpack/v5"
)

// Subscriber follows one topic.
type Subscriber struct {
	live, asking               Socket
	topic                      string
	remaining, expected, epoch uint64 // ticks to print; the next sequence, 0 before the first
}

func (s *Subscriber) run() {
	for s.remaining > 0 {
		seen := open(s.live.receiveFrame())
		switch {
		case seen.epoch < s.epoch:
		case seen.topic == s.topic:
			s.repair(seen.epoch, seen.sequence-1)
			s.show(seen)
		case seen.topic == "heartbeat": // its last numbers reveal a lost last tick too
			var heartbeat struct {
				Topics map[string]uint64 `msgpack:"topics"`
			}
			check(msgpack.Unmarshal(seen.body, &heartbeat))
			if last := heartbeat.Topics[s.topic]; last > 0 && s.expected > 0 {
				s.repair(seen.epoch, last)
			}
		}
	}
}

// show prints a new tick; it is the next one, or those before it are no longer available.
func (s *Subscriber) show(tick Publication) {
	if s.remaining == 0 || tick.sequence < s.expected || tick.epoch > s.epoch {
		return
	}
	var body struct { // an any is nil where that side of the book is empty
		Bid any `msgpack:"bid"`
		Ask any `msgpack:"ask"`
	}
	check(msgpack.Unmarshal(tick.body, &body))
	fmt.Println(tick.sequence, body.Bid, body.Ask)
	s.expected, s.remaining = tick.sequence+1, s.remaining-1
}

// repair prints all missing ticks up to last; live ticks wait meanwhile, and an overflow is the next gap.
func (s *Subscriber) repair(epoch, last uint64) {
	if s.expected == 0 {
		s.expected = last + 1
	}
	if epoch > s.epoch { // it may use numbers again for other ticks: the first of them is expected
		s.expected = least(s.expected, last+1)
		for s.epoch > 0 && s.expected > 1 {
			ticks, _ := replay(s.asking, s.topic, s.expected-1, s.expected-1)
			if len(ticks) == 0 || ticks[0].epoch <= s.epoch {
				break // it has been seen
			}
			s.expected--
		}
		s.epoch = epoch
	}
	for s.expected <= last && s.remaining > 0 {
		ticks, further := replay(s.asking, s.topic, s.expected, least(last, s.expected+s.remaining-1))
		for _, tick := range ticks {
			s.show(tick)
		}
		if further > s.expected {
			s.expected = further
		}
	}
}

func main() {
	s := Subscriber{live: newSocket(sub), asking: newSocket(dealer), topic: os.Args[3], remaining: parsed(os.Args[4])}
	s.live.setInt(rcvhwm, 100_000) // libzmq's default of 1,000 is less than a burst
	s.live.setInt(sndhwm, 0)       // or it drops subscriptions beyond 1,000
	s.asking.setInt(rcvtimeo, 1000)
	for _, name := range []string{s.topic, "heartbeat"} {
		s.live.setText(subscribe, name+"\x00") // without the NUL, tick.EURUSDX would match too
	}
	s.live.connect(os.Args[1])
	s.asking.connect(os.Args[2])
	s.run()
}

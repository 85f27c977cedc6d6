// Replays of missed ticks in Go: bus/PROTOCOL.md section 7.3.
package main

import "github.com/vmihailenco/msgpack/v5"

// replay requests ticks again, until there is an answer; it returns them, and the number behind the last one that is answered.
func replay(asking Socket, topic string, from, to uint64) ([]Publication, uint64) {
	for {
		var ticks []Publication
		id := newID()
		asking.send('Q', id, "hulak.replay", "", map[string]any{"topic": topic, "from": from, "to": to}, none)
		for answer := asking.receive(); answer != nil; answer = asking.receive() {
			if !answer.answers(id) {
				continue
			}
			if answer.kind == 'P' {
				ticks = append(ticks, rows(answer)...)
				continue
			}
			index := 1
			if answer.kind == 'E' {
				var code string
				if answer.read(1, &code); code == "BUSY" {
					continue // the request is repeated in a second
				}
				index = 3 // its details
			}
			var further struct { // nothing before it is available
				Next   *uint64 `msgpack:"next"`
				Oldest *uint64 `msgpack:"oldest"`
			}
			answer.read(index, &further)
			for _, number := range []*uint64{further.Next, further.Oldest} {
				if number != nil && *number <= to {
					return ticks, *number
				}
			}
			return ticks, to + 1
		}
	}
}

// rows returns the ticks of a PART.
func rows(part *Message) []Publication {
	var all [][]msgpack.RawMessage // [number among all ticks, frame]
	part.read(2, &all)
	ticks := make([]Publication, len(all))
	for at, row := range all {
		var frame []byte
		check(msgpack.Unmarshal(row[1], &frame))
		ticks[at] = open(frame)
	}
	return ticks
}

func least(a, b uint64) uint64 {
	if a < b {
		return a
	}
	return b
}

// A worker in Go: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
//
//	apt-get install golang-go libzmq3-dev golang-github-vmihailenco-msgpack.v5-dev
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o worker worker.go hulak*.go
//	./worker ipc://$run/backend.ipc sums
//	hulak task call sums add '{"a": 1, "b": 2}'
//
// With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
package main

import (
	"fmt"
	"os"
	"time"
)

const beat = 250 * time.Millisecond

// Task is held until its result, of id, attempt, done and value, is due and the broker knows the worker.
type Task struct {
	due    time.Time
	result []any
}

type Worker struct {
	socket         Socket
	service, name  string
	held           map[string]Task // by id
	credit         int
	epoch          uint64 // 0 before the first HEARTBEAT
	known, retired bool
}

func (w *Worker) run() {
	w.ready()
	for beatAt := time.Now(); !w.retired || len(w.held) > 0; {
		if message := w.socket.receive(); message != nil {
			w.take(message)
		}
		for id, task := range w.held {
			if w.known && !time.Now().Before(task.due) {
				w.socket.send('R', task.result...)
				delete(w.held, id)
			}
		}
		if !time.Now().Before(beatAt) {
			w.socket.send('H', w.names(), nil)
			beatAt = time.Now().Add(beat)
		}
	}
	w.socket.send('G', "retired")
}

func (w *Worker) names() [][]any {
	names := [][]any{}
	for _, task := range w.held {
		names = append(names, task.result[:2])
	}
	return names
}

func (w *Worker) ready() {
	w.socket.send('Y', w.service, w.name, w.credit, w.names(), map[string]int{"pid": os.Getpid()})
}

func (w *Worker) take(message *Message) {
	switch kind := message.kind; {
	case kind == 'H':
		var epoch uint64
		message.read(0, &epoch)
		message.read(1, &w.known)
		w.known, w.epoch = w.known && (w.epoch == 0 || w.epoch == epoch), epoch
		if !w.known {
			w.ready() // the broker answers with HEARTBEAT
		}
	case kind == 'T' && !w.retired: // else the broker gives it to another worker
		action, args := "", map[string]int64{}
		message.read(2, &action)
		message.read(3, &args)
		var done, value any = true, args["a"] + args["b"]
		if action != "add" {
			done, value = false, map[string]string{"code": "UNKNOWN_ACTION", "text": "action " + action + " is unknown, must be add"}
		}
		due := time.Now().Add(time.Duration(args["ms"]) * time.Millisecond)
		w.held[string(message.values[0])] = Task{due, []any{message.values[0], message.values[1], done, value}}
	case kind == 'X':
		w.retired, w.credit = true, 0
	}
}

func main() {
	name := fmt.Sprintf("go/%d/%x", os.Getpid(), newID()[:3]) // another one after each start
	w := Worker{socket: newSocket(dealer), service: os.Args[2], name: name, held: map[string]Task{}, credit: 1}
	w.socket.setInt(rcvtimeo, 10) // ms
	w.socket.setInt(linger, 1000)
	w.socket.connect(os.Args[1])
	w.run()
	w.socket.close()
}

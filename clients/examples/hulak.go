// What the programs in Go share: messages, publications, ids. bus/PROTOCOL.md sections 3.1 and 4.1.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"

	"github.com/vmihailenco/msgpack/v5"
)

// none is an empty map.
var none = map[string]uint64{}

// check ends the program.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parsed returns the number of an argument.
func parsed(word string) uint64 {
	number, err := strconv.ParseUint(word, 10, 64)
	check(err)
	return number
}

// newID returns 16 random bytes: unique also over time, and packed as bin.
func newID() []byte {
	id := make([]byte, 16)
	_, err := rand.Read(id)
	check(err)
	return id
}

// Message is a byte of kind and a msgpack array, whose values are not yet read.
type Message struct {
	kind   byte
	values []msgpack.RawMessage
}

// send sends a message.
func (s Socket) send(kind byte, values ...any) {
	packed, err := msgpack.Marshal(values)
	check(err)
	s.sendFrame(append([]byte{kind}, packed...))
}

// receive returns nil if no message came within the socket's time limit.
func (s Socket) receive() *Message {
	frame := s.receiveFrame()
	if len(frame) == 0 {
		return nil
	}
	message := Message{kind: frame[0]}
	check(msgpack.Unmarshal(frame[1:], &message.values))
	return &message
}

// read reads the value at an index.
func (m *Message) read(index int, into any) {
	if index >= len(m.values) {
		check(fmt.Errorf("message %c has %d values", m.kind, len(m.values)))
	}
	check(msgpack.Unmarshal(m.values[index], into))
}

// answers returns whether it is an answer to this request; an answer to bytes that could not be read has the id nil.
func (m *Message) answers(id []byte) bool {
	var answered []byte
	m.read(0, &answered)
	return bytes.Equal(answered, id)
}

// Publication is a message of the publisher: topic NUL epoch sequence time_ns body.
type Publication struct {
	topic           string
	epoch, sequence uint64
	body            []byte
}

func open(frame []byte) Publication {
	cut := bytes.IndexByte(frame, 0)
	if cut < 0 || len(frame) < cut+26 {
		check(fmt.Errorf("a publication has %d bytes", len(frame)))
	}
	number := func(at int) uint64 { return binary.BigEndian.Uint64(frame[cut+at:]) }
	return Publication{string(frame[:cut]), number(1), number(9), frame[cut+25:]}
}

// The part of libzmq that the programs in Go need, by cgo: Debian 12 has no binding of it for Go.
package main

/*
#cgo LDFLAGS: -lzmq
#include <stdlib.h>
#include <zmq.h>
*/
import "C"

import (
	"syscall"
	"unsafe"
)

const (
	dealer    = C.ZMQ_DEALER
	sub       = C.ZMQ_SUB
	subscribe = C.ZMQ_SUBSCRIBE
	rcvhwm    = C.ZMQ_RCVHWM
	sndhwm    = C.ZMQ_SNDHWM
	rcvtimeo  = C.ZMQ_RCVTIMEO
	linger    = C.ZMQ_LINGER
	immediate = C.ZMQ_IMMEDIATE

	curvePublic = C.ZMQ_CURVE_PUBLICKEY
	curveSecret = C.ZMQ_CURVE_SECRETKEY
	curveServer = C.ZMQ_CURVE_SERVERKEY
)

var context = C.zmq_ctx_new()

// Socket is a socket of libzmq; one goroutine uses it.
type Socket struct{ raw unsafe.Pointer }

func newSocket(kind C.int) Socket { return Socket{C.zmq_socket(context, kind)} }

func (s Socket) setInt(option C.int, value C.int) {
	if result, err := C.zmq_setsockopt(s.raw, option, unsafe.Pointer(&value), C.sizeof_int); result < 0 {
		check(err)
	}
}

func (s Socket) setText(option C.int, value string) {
	if result, err := C.zmq_setsockopt(s.raw, option, unsafe.Pointer(&[]byte(value)[0]), C.size_t(len(value))); result < 0 {
		check(err)
	}
}

func (s Socket) connectTo(address string) {
	text := C.CString(address)
	defer C.free(unsafe.Pointer(text))
	if result, err := C.zmq_connect(s.raw, text); result < 0 {
		check(err)
	}
}

// sendFrame repeats the call after EINTR: Go's runtime interrupts its threads by signals.
func (s Socket) sendFrame(frame []byte) {
	for {
		sent, err := C.zmq_send(s.raw, unsafe.Pointer(&frame[0]), C.size_t(len(frame)), 0)
		if sent >= 0 || err != syscall.EINTR {
			return
		}
	}
}

// receiveFrame returns no bytes if none came within the socket's time limit.
func (s Socket) receiveFrame() []byte {
	var message C.zmq_msg_t
	C.zmq_msg_init(&message)
	defer C.zmq_msg_close(&message)
	for {
		size, err := C.zmq_msg_recv(&message, s.raw, 0)
		if size >= 0 {
			return C.GoBytes(C.zmq_msg_data(&message), size)
		}
		if err != syscall.EINTR {
			return nil
		}
	}
}

// close waits until everything is sent, as long as the socket's linger.
func (s Socket) close() {
	C.zmq_close(s.raw)
	C.zmq_ctx_term(context)
}

// main.go — hooks through Pulumi's own Go code, against a running engine.
//
// Environment hooks go through the client of Pulumi's ESC command line, as it
// is published. Hooks of organizations and stacks are sent and read with the
// types of Pulumi's SDK, in the order in which `pulumi org webhook` and `pulumi
// stack webhook` use them.

package main

import (
	"flag"
	"fmt"
	"os"
	"reflect"
)

// suite is one run: what the program was told, and how many checks held.
type suite struct {
	url, token, receiver, event string
	checks                      int
}

// must ends the program unless there is no error.
func (s *suite) must(what string, err error) {
	s.checks++
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

// same ends the program unless both are equal.
func (s *suite) same(what string, got, wanted any) {
	s.checks++
	if !reflect.DeepEqual(got, wanted) {
		fmt.Fprintf(os.Stderr, "%s: got %#v, wanted %#v\n", what, got, wanted)
		os.Exit(1)
	}
}

func main() {
	var s suite

	flag.StringVar(&s.url, "url", "", "of the management API")
	flag.StringVar(&s.token, "token", "", "that may read and write")
	flag.StringVar(&s.receiver, "receiver", "", "URL of a receiver that answers 200")
	flag.StringVar(&s.event, "event", "", "id of an event that was delivered")
	flag.Parse()
	environments(&s)
	organization(&s)
	stack(&s)
	fmt.Printf("%d checks passed\n", s.checks)
}

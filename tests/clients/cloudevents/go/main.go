// SPDX-License-Identifier: MIT
// A receiver with the SDK of CloudEvents for Go, which answers the handshake itself.
//
// usage: cloudevents-go ORIGIN RATE
//
// Prints the port that it listens on, and then a line for each event that it got: the type
// and the data.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

func main() {
	rate, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	receiver, err := cehttp.New(cehttp.WithListener(listener),
		cehttp.WithDefaultOptionsHandlerFunc([]string{"POST", "OPTIONS"}, rate,
			[]string{os.Args[1]}, false))
	if err != nil {
		log.Fatal(err)
	}
	client, err := cloudevents.NewClient(receiver)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	err = client.StartReceiver(context.Background(), func(event cloudevents.Event) {
		fmt.Println(event.Type(), string(event.Data()))
	})
	log.Fatal(err)
}

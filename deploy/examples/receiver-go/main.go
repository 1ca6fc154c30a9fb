// SPDX-License-Identifier: MIT

// receiver takes deliveries of a hook with a secret, each event once.
//
//	go build .
//	WEBHOOK_SECRET=whsec_… PORT=9000 ./receiver
//
// The secret is the hook's. Ids are remembered in memory here; a receiver whose work must not be
// done twice after a restart stores them together with that work, as the one in Python does.
package main

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	bodyMax    = 1 << 20
	remembered = 100000
)

type receiver struct {
	webhook *standardwebhooks.Webhook
	lock    sync.Mutex
	seen    map[string]bool
	order   []string // the ids in seen, the oldest first
}

func work(kind string, body []byte) {
	fmt.Println(kind, string(body))
}

func (r *receiver) take(id, kind string, body []byte) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.seen[id] {
		return
	}
	work(kind, body)
	r.seen[id] = true
	r.order = append(r.order, id)
	if len(r.order) > remembered {
		delete(r.seen, r.order[0])
		r.order = r.order[1:]
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, bodyMax))
	if err != nil {
		http.Error(w, "", http.StatusRequestEntityTooLarge)
		return
	}
	// The bytes as they came: JSON that was read and written again differs.
	if r.webhook.Verify(body, request.Header) != nil {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	r.take(request.Header.Get("webhook-id"), request.Header.Get("Pulumi-Webhook-Kind"), body)
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	webhook, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	address := "127.0.0.1:" + cmp.Or(os.Getenv("PORT"), "9000")
	log.Fatal(http.ListenAndServe(address, &receiver{webhook: webhook, seen: map[string]bool{}}))
}

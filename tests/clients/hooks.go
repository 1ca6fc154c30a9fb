// hooks.go — hooks of organizations and stacks, with the types of Pulumi's SDK.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// call does as the command line does: its headers, its error type.
func call(s *suite, method, path string, body, out any) error {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	request, err := http.NewRequest(method, s.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "token "+s.token)
	request.Header.Set("Accept", "application/vnd.pulumi+9")
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "pulumi-cli/1 (3.243.0; linux)")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		var refused apitype.ErrorResponse
		if err := json.NewDecoder(response.Body).Decode(&refused); err != nil {
			return fmt.Errorf("status %d without an error: %w", response.StatusCode, err)
		}
		if refused.Code != response.StatusCode {
			return fmt.Errorf("code %d under status %d", refused.Code, response.StatusCode)
		}
		return &refused
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(out)
}

func refusedWith(err error) int {
	var refused *apitype.ErrorResponse
	if errors.As(err, &refused) {
		return refused.Code
	}
	return 0
}

// new, get, list, edit as the command line does them: it reads the hook,
// changes what was asked for and sends back all of it.
func lifecycle(s *suite, at string, wanted apitype.Webhook) apitype.Webhook {
	var hook, again, edited, back apitype.Webhook
	var listed []apitype.Webhook

	s.must(at+": create", call(s, http.MethodPost, at, wanted, &hook))
	s.same(at+": the secret", []any{hook.HasSecret, hook.Secret, len(hook.SecretCiphertext)},
		[]any{true, "", 64})
	wanted.Name, wanted.HasSecret = hook.Name, true
	wanted.Secret, wanted.SecretCiphertext = "", hook.SecretCiphertext
	s.same(at+": create", hook, wanted)
	s.must(at+": get", call(s, http.MethodGet, at+"/"+hook.Name, nil, &again))
	s.same(at+": get", again, hook)
	s.must(at+": list", call(s, http.MethodGet, at, nil, &listed))
	s.same(at+": list", listed, []apitype.Webhook{hook})

	again.Filters, again.DisplayName, again.Active = nil, "edited", false
	s.must(at+": edit", call(s, http.MethodPatch, at+"/"+hook.Name, again, &edited))
	s.same(at+": edit", edited, again)
	again.Active = true
	s.must(at+": edit", call(s, http.MethodPatch, at+"/"+hook.Name, again, &back))
	s.same(at+": edit", back, again)
	return back
}

func deliveries(s *suite, at, name string) {
	var ping, again apitype.WebhookDelivery
	var rows []apitype.WebhookDelivery

	s.must(at+": ping", call(s, http.MethodPost, at+"/"+name+"/ping", nil, &ping))
	s.same(at+": ping", []any{ping.Kind, ping.ResponseCode, ping.RequestURL},
		[]any{"ping", 200, s.receiver})
	path := at + "/" + name + "/deliveries"
	s.must(at+": deliveries", call(s, http.MethodGet, path, nil, &rows))
	s.same(at+": deliveries", rows[0], ping)
	s.must(at+": redeliver",
		call(s, http.MethodPost, path+"/"+ping.ID+"/redeliver", nil, &again))
	s.same(at+": redeliver", []any{again.ID, again.Payload, again.ResponseCode},
		[]any{ping.ID, ping.Payload, 200})
}

func remove(s *suite, at, name string) {
	var listed []apitype.Webhook

	s.must(at+": delete", call(s, http.MethodDelete, at+"/"+name, nil, nil))
	s.same(at+": gone", refusedWith(call(s, http.MethodGet, at+"/"+name, nil, nil)), 404)
	s.must(at+": list", call(s, http.MethodGet, at, nil, &listed))
	s.same(at+": list", listed, []apitype.Webhook{})
}

func organization(s *suite) {
	const at = "/api/orgs/acme/hooks"
	format := "raw"

	// The hook that the event went to is there already, and goes first.
	var there []apitype.Webhook
	s.must("list", call(s, http.MethodGet, at, nil, &there))
	s.same("list", len(there), 1)
	var again apitype.WebhookDelivery
	s.must("redeliver an event", call(s, http.MethodPost,
		at+"/"+there[0].Name+"/deliveries/"+s.event+"/redeliver", nil, &again))
	s.same("redeliver an event", []any{again.ID, again.ResponseCode}, []any{s.event, 200})
	s.must("delete", call(s, http.MethodDelete, at+"/"+there[0].Name, nil, nil))

	hook := lifecycle(s, at, apitype.Webhook{
		OrganizationName: "acme", DisplayName: "all", PayloadURL: s.receiver,
		Active: true, Format: &format, Filters: []string{"update_failed"},
		Groups: []string{"deployments", "stacks"}, Secret: "s3cret"})
	deliveries(s, at, hook.Name)
	s.same("a name that is taken", refusedWith(call(s, http.MethodPost, at, hook, nil)), 409)
	other := hook
	other.OrganizationName = "other"
	s.same("another organization", refusedWith(call(s, http.MethodPost, at, other, nil)), 400)
	remove(s, at, hook.Name)
}

func stack(s *suite) {
	const at = "/api/stacks/acme/web/prod"
	project, name, format := "web", "prod", "raw"

	// `pulumi stack webhook` asks for the stack first.
	s.must("a stack that nothing has named", call(s, http.MethodGet, at, nil, nil))
	hook := lifecycle(s, at+"/hooks", apitype.Webhook{
		OrganizationName: "acme", ProjectName: &project, StackName: &name,
		DisplayName: "one stack", PayloadURL: s.receiver, Active: true,
		Format: &format, Filters: []string{"update_failed"}, Secret: "s3cret"})
	var found apitype.Stack
	s.must("stack", call(s, http.MethodGet, at, nil, &found))
	s.same("stack", []any{found.OrgName, found.ProjectName, string(found.StackName)},
		[]any{"acme", project, name})
	deliveries(s, at+"/hooks", hook.Name)
	remove(s, at+"/hooks", hook.Name)
}

// environments.go — hooks of an environment, through Pulumi's ESC client.

package main

import (
	"context"

	"github.com/pulumi/esc/cmd/esc/cli/client"
)

// What `pulumi env webhook` needs to know before.
func account(s *suite, ctx context.Context, c client.Client) {
	login, orgs, _, err := c.GetPulumiAccountDetails(ctx)
	s.must("account", err)
	s.same("login", login != "", true)
	s.same("organizations", orgs, []string{"acme"})
	org, err := c.GetDefaultOrg(ctx)
	s.must("default organization", err)
	s.same("default organization", org, "acme")
}

func created(s *suite, ctx context.Context, c client.Client) *client.EnvironmentWebhook {
	request := client.CreateEnvironmentWebhookRequest{
		Active: true, DisplayName: "deploys", OrganizationName: "acme",
		ProjectName: "web", EnvName: "prod", PayloadURL: s.receiver,
		Filters: []string{"environment_revision_created"},
		Groups:  []string{"environments"}, Secret: "s3cret",
	}
	hook, err := c.CreateEnvironmentWebhook(ctx, "acme", "web", "prod", request)
	s.must("create", err)
	s.same("generated name", len(hook.Name), 8)
	s.same("create", []any{hook.DisplayName, hook.PayloadURL, hook.Active, hook.Format,
		hook.OrganizationName, hook.ProjectName, hook.EnvName, hook.HasSecret, hook.Secret},
		[]any{"deploys", s.receiver, true, "raw", "acme", "web", "prod", true, ""})
	s.same("filters", hook.Filters, request.Filters)
	s.same("groups", hook.Groups, request.Groups)
	return hook
}

// The client sends the whole state; a list that it leaves out is emptied.
func updated(s *suite, ctx context.Context, c client.Client, name string) {
	request := client.UpdateEnvironmentWebhookRequest{
		Active: true, DisplayName: "renamed", PayloadURL: s.receiver}
	hook, err := c.UpdateEnvironmentWebhook(ctx, "acme", "web", "prod", name, request)
	s.must("update", err)
	s.same("update", []any{hook.DisplayName, len(hook.Filters), len(hook.Groups), hook.HasSecret},
		[]any{"renamed", 0, 0, true})
	request.Secret = "__remove-secret"
	hook, err = c.UpdateEnvironmentWebhook(ctx, "acme", "web", "prod", name, request)
	s.must("remove the secret", err)
	s.same("secret", []any{hook.HasSecret, hook.SecretCiphertext}, []any{false, ""})
}

func pinged(s *suite, ctx context.Context, c client.Client, name string) {
	ping, err := c.PingEnvironmentWebhook(ctx, "acme", "web", "prod", name)
	s.must("ping", err)
	s.same("ping", []any{ping.Kind, ping.ResponseCode, ping.RequestURL},
		[]any{"ping", int64(200), s.receiver})
	rows, err := c.ListEnvironmentWebhookDeliveries(ctx, "acme", "web", "prod", name)
	s.must("deliveries", err)
	s.same("deliveries", len(rows), 1)
	s.same("deliveries", rows[0], *ping)
}

func environments(s *suite) {
	ctx := context.Background()
	c := client.New("posthorn-tests", s.url, s.token, true)

	account(s, ctx, c)
	hooks, err := c.ListEnvironmentWebhooks(ctx, "acme", "web", "prod")
	s.must("list", err)
	s.same("list", len(hooks), 0)
	hook := created(s, ctx, c)
	again, err := c.GetEnvironmentWebhook(ctx, "acme", "web", "prod", hook.Name)
	s.must("get", err)
	s.same("get", again, hook)
	hooks, err = c.ListEnvironmentWebhooks(ctx, "acme", "web", "prod")
	s.must("list", err)
	s.same("list", hooks, []client.EnvironmentWebhook{*hook})
	_, err = c.CreateEnvironmentWebhook(ctx, "acme", "web", "prod",
		client.CreateEnvironmentWebhookRequest{Active: true, Name: hook.Name,
			DisplayName: "d", OrganizationName: "acme", ProjectName: "web",
			EnvName: "prod", PayloadURL: s.receiver})
	s.same("a name that is taken", err != nil, true)
	updated(s, ctx, c, hook.Name)
	pinged(s, ctx, c, hook.Name)
	s.must("delete", c.DeleteEnvironmentWebhook(ctx, "acme", "web", "prod", hook.Name))
	_, err = c.GetEnvironmentWebhook(ctx, "acme", "web", "prod", hook.Name)
	s.same("gone", client.IsNotFound(err), true)
	err = c.DeleteEnvironmentWebhook(ctx, "acme", "web", "prod", hook.Name)
	s.same("gone", client.IsNotFound(err), true)
}

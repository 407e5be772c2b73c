package main

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/dtm-labs/client/dtmcli"
)

// What becomes of one scenario on one transport.
type result struct {
	Scenario  string `json:"scenario"`
	Transport string `json:"transport"`
	// What the SDK told its caller; empty for success.
	Error string `json:"error"`
	// The participants' own record, in the order in which calls came.
	Calls []string `json:"calls"`
	// What /query says when the transaction has ended.
	Status   string   `json:"status"`
	Reason   string   `json:"reason,omitempty"`
	Branches []string `json:"branches"`
	// Whatever else the scenario is about.
	Facts map[string]any `json:"facts,omitempty"`
	// The scenario itself went wrong.
	Broken string `json:"broken,omitempty"`
}

// A call as a participant gets it.
type call struct {
	method  string
	path    string
	query   map[string]string
	headers map[string]string
	payload string
	// How often this path was called for this op before.
	earlier int
}

// What a participant answers: a status of HTTP, which gRPC maps to its codes, and a text.
type answer struct {
	status int
	text   string
}

var (
	done    = answer{200, `{"dtm_result":"SUCCESS"}`}
	refused = answer{409, `{"error":"no money"}`}
	ongoing = answer{425, `{"error":"not yet"}`}
	broken  = answer{500, `{"error":"boom"}`}
)

type handler func(c *call) answer

// One run of a scenario.
type trial struct {
	*environment
	transport string
	gid       string

	mutex    sync.Mutex
	handlers map[string]handler
	seen     map[string]int
	calls    []string
	facts    map[string]any
	err      error
	// Other transactions of this scenario: their ids in place of which a word is shown.
	others map[string]string
	// Calls that come again and again are shown once.
	collapse bool
	// Calls that come at once have no order.
	sorted bool
	// For how long the end is waited for; 0: not at all.
	patience time.Duration
}

func (e *environment) try(one job) (r result) {
	t := &trial{
		environment: e,
		transport:   one.transport,
		gid:         e.newGid(one.name),
		handlers:    map[string]handler{},
		seen:        map[string]int{},
		facts:       map[string]any{},
		others:      map[string]string{},
		patience:    60 * time.Second,
	}
	r = result{Scenario: one.name, Transport: one.transport}
	e.enter(t.gid, t)
	defer e.leave(t)
	func() {
		defer func() {
			if x := recover(); x != nil {
				r.Broken = t.words(fmt.Sprint(x))
			}
		}()
		one.run(t)
		t.end(&r)
	}()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.err != nil {
		r.Error = t.words(t.err.Error())
	}
	r.Calls = append([]string{}, t.calls...)
	if t.sorted {
		sort.Strings(r.Calls)
	}
	if t.collapse {
		r.Calls = unique(r.Calls)
	}
	if len(t.facts) > 0 {
		r.Facts = t.facts
	}
	return r
}

func unique(calls []string) []string {
	kept := []string{}
	for _, one := range calls {
		if len(kept) == 0 || kept[len(kept)-1] != one {
			kept = append(kept, one)
		}
	}
	return kept
}

// end waits until the transaction has ended and takes down what is shown of it.
func (t *trial) end(r *result) {
	var shown query
	deadline := time.Now().Add(t.patience)
	for {
		shown = t.query(t.gid)
		if shown.ended() || time.Now().After(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if shown.Transaction != nil {
		r.Status = shown.Transaction.Status
		r.Reason = t.words(shown.Transaction.RollbackReason)
	}
	r.Branches = shown.branches()
}

// on sets what a participant does; without that it says yes.
func (t *trial) on(path string, does handler) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.handlers[path] = does
}

// always answers the same.
func always(a answer) handler { return func(*call) answer { return a } }

// first answers so once, and yes from then on.
func first(a answer) handler {
	return func(c *call) answer {
		if c.earlier == 0 {
			return a
		}
		return done
	}
}

func (t *trial) fact(name string, value any) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.facts[name] = value
}

// note puts something into the record that is no call.
func (t *trial) note(format string, arguments ...any) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.calls = append(t.calls, fmt.Sprintf(format, arguments...))
}

// serve records a call and answers it.
func (t *trial) serve(c *call) answer {
	t.mutex.Lock()
	gid := t.words(c.query["gid"])
	line := fmt.Sprintf("%s %s %s %s %s", c.method, c.path, c.query["branch_id"], c.query["op"], c.payload)
	if gid != "GID" {
		line = gid + ": " + line
	}
	t.calls = append(t.calls, strings.TrimSpace(line))
	key := gid + " " + c.path + " " + c.query["op"] + " " + c.query["branch_id"]
	c.earlier = t.seen[key]
	t.seen[key]++
	does := t.handlers[c.path]
	t.mutex.Unlock()
	if does == nil {
		return done
	}
	return does(c)
}

// recorded counts the calls that begin so.
func (t *trial) recorded(prefix string) int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	count := 0
	for _, one := range t.calls {
		if strings.HasPrefix(one, prefix) {
			count++
		}
	}
	return count
}

// await waits for a condition.
func (t *trial) await(what string, holds func() bool) {
	deadline := time.Now().Add(60 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			panic("not within a minute: " + what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

var address = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// words replaces what differs from run to run.
func (t *trial) words(text string) string {
	for _, addr := range []string{t.dtmHTTP, t.dtmGRPC} {
		if addr != "" {
			text = strings.ReplaceAll(text, addr, "DTM")
		}
	}
	// The longest first: one may begin with another.
	gids := []string{}
	for gid := range t.others {
		gids = append(gids, gid)
	}
	sort.Slice(gids, func(i, j int) bool { return len(gids[i]) > len(gids[j]) })
	for _, gid := range gids {
		text = strings.ReplaceAll(text, gid, t.others[gid])
	}
	text = strings.ReplaceAll(text, t.gid, "GID")
	return address.ReplaceAllString(text, "PARTICIPANT")
}

// url of a participant, for the transport of the trial.
func (t *trial) url(name string) string {
	if t.transport == "grpc" {
		return t.busiGRPC + "/e2e.Busi/" + name
	}
	return t.busiHTTP + "/" + name
}

// must is for what cannot fail unless the scenario is wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// query is the answer to /query.
type query struct {
	Transaction *struct {
		Status         string `json:"status"`
		RollbackReason string `json:"rollback_reason"`
		Result         string `json:"result"`
	} `json:"transaction"`
	Branches []struct {
		BranchID string `json:"branch_id"`
		Op       string `json:"op"`
		Status   string `json:"status"`
	} `json:"branches"`
}

func (t *trial) query(gid string) query {
	var shown query
	response, err := dtmcli.GetRestyClient().R().SetQueryParam("gid", gid).SetResult(&shown).Get(t.base() + "/query")
	must(err)
	if response.StatusCode() != 200 {
		panic("query says " + response.String())
	}
	return shown
}

func (q query) ended() bool {
	return q.Transaction != nil && (q.Transaction.Status == "succeed" || q.Transaction.Status == "failed")
}

func (q query) branches() []string {
	all := []string{}
	for _, branch := range q.Branches {
		all = append(all, branch.BranchID+" "+branch.Op+" "+branch.Status)
	}
	return all
}

func (q query) result() string {
	text, err := base64.StdEncoding.DecodeString(q.Transaction.Result)
	must(err)
	return string(text)
}

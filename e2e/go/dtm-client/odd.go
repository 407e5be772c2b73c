package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dtm-labs/client/dtmcli"
	"github.com/dtm-labs/client/dtmcli/dtmimp"
	"github.com/go-resty/resty/v2"
)

var oddScenarios = []scenario{
	{"jsonrpc_ok", httpOnly, func(t *trial) { t.jsonRPC("") }},
	{"jsonrpc_failure", httpOnly, func(t *trial) { t.jsonRPC(`{"code":-32901,"message":"no money"}`) }},
	{"jsonrpc_ongoing", httpOnly, func(t *trial) { t.jsonRPC(`{"code":-32902,"message":"not yet"}`) }},
	{"branch_headers", both, func(t *trial) {
		t.on("/a1", func(c *call) answer {
			t.fact("header", c.headers["x-e2e"])
			return done
		})
		s := t.saga().add("a1", "c1", 30)
		s.base.BranchHeaders = map[string]string{"X-E2e": "yes"}
		t.err = s.submit()
	}},
	{"gid_prefix", both, gidPrefix},
	{"submit_repeated", both, submitRepeated},
	{"submit_repeated_other_content", httpOnly, func(t *trial) {
		must(t.saga().add("a1", "c1", 30).submit())
		var r result
		t.end(&r)
		t.err = t.saga().add("a2", "c2", 31).submit()
	}},
	{"tcc_submit_repeated", both, func(t *trial) {
		t.on("/confirm1", slowly)
		var base *dtmimp.TransBase
		must(t.tcc(func(c *tcc) error {
			base = c.base
			return c.call("1", 30)
		}))
		t.await("the confirm is under way", func() bool { return t.recorded("GRPC /confirm1")+t.recorded("POST /confirm1") > 0 })
		t.err = t.callDtm(base, "submit")
	}},
	{"register_repeated", both, registerRepeated},
	{"prepare_repeated", both, func(t *trial) {
		m := t.msg().add("a1", 30)
		must(m.prepare())
		t.fact("again", t.words(short(m.prepare())))
		must(m.submit())
		var r result
		t.end(&r)
		t.err = m.prepare()
	}},
	{"abort_repeated", both, func(t *trial) {
		c := t.newTcc()
		must(t.callDtm(c.base, "prepare"))
		must(c.call("1", 30))
		must(t.callDtm(c.base, "abort"))
		var r result
		t.end(&r)
		t.err = t.callDtm(c.base, "abort")
	}},
	{"force_stop", httpOnly, func(t *trial) {
		t.on("/a1", always(ongoing))
		t.collapse = true
		must(t.saga().add("a1", "c1", 30).submit())
		t.await("the action was tried", func() bool { return t.recorded("POST /a1") > 0 })
		must(t.post("forceStop"))
		t.err = t.post("forceStop")
	}},
	{"reset_next_cron_time", httpOnly, resetNextCronTime},
}

// slowly is done, after a while in which others may act.
func slowly(*call) answer {
	time.Sleep(500 * time.Millisecond)
	return done
}

// verdict reads an answer as the SDK does.
func verdict(response *resty.Response) error {
	if response == nil {
		return nil
	}
	return dtmcli.HTTPResp2DtmError(response)
}

func (t *trial) post(operation string) error {
	response, err := dtmcli.GetRestyClient().R().SetBody(map[string]string{"gid": t.gid}).Post(t.base() + "/" + operation)
	return firstError(err, verdict(response))
}

// readJSONRPC makes a call of what a JSON-RPC request says.
func readJSONRPC(c *call) {
	var request struct {
		Version string         `json:"jsonrpc"`
		ID      string         `json:"id"`
		Method  string         `json:"method"`
		Params  map[string]any `json:"params"`
	}
	if json.Unmarshal([]byte(c.payload), &request) != nil || request.Version != "2.0" || request.ID == "" {
		return
	}
	for _, name := range []string{"gid", "trans_type", "branch_id", "op"} {
		c.query[name], _ = request.Params[name].(string)
		delete(request.Params, name)
	}
	rest, err := json.Marshal(request.Params)
	must(err)
	c.method, c.payload = "JSON-RPC "+request.Method, string(rest)
}

// jsonRPC submits a saga by JSON-RPC whose second branch speaks it too and says this first.
func (t *trial) jsonRPC(says string) {
	t.on("/rpc", func(c *call) answer {
		if c.query["op"] != "action" || c.query["branch_id"] != "02" || c.earlier > 0 || says == "" {
			return answer{200, `{"jsonrpc":"2.0","id":"1","result":{}}`}
		}
		return answer{200, fmt.Sprintf(`{"jsonrpc":"2.0","id":"1","error":%s}`, says)}
	})
	s := dtmcli.NewSaga("http://"+t.dtmHTTP+"/api/json-rpc", t.gid)
	s.Protocol, s.RetryInterval = dtmimp.Jrpc, 1
	s.Add(t.url("a1"), t.url("c1"), map[string]int{"amount": 30})
	s.Add(t.url("rpc?method=pay"), t.url("rpc?method=unpay"), map[string]int{"amount": 31})
	t.err = s.Submit()
}

// gidPrefix: one gid begins with the other. Both are delivered, each once.
func gidPrefix(t *trial) {
	t.sorted = true
	one, ten := t.gid+"1", t.gid+"10"
	t.others = map[string]string{one: "ONE", ten: "TEN"}
	for _, gid := range []string{ten, one} {
		t.enter(gid, t)
	}
	must(t.sagaFor(ten).add("a1", "c1", 10).add("a2", "c2", 10).submit())
	must(t.sagaFor(one).add("a1", "c1", 1).add("a2", "c2", 1).submit())
	for gid, word := range map[string]string{one: "one", ten: "ten"} {
		t.await(word+" ends", func() bool { return t.query(gid).ended() })
		shown := t.query(gid)
		t.fact(word, append([]string{shown.Transaction.Status}, shown.branches()...))
	}
	t.patience = 0
}

// submitRepeated: the same saga three times, while its first action is under way.
func submitRepeated(t *trial) {
	t.on("/a1", slowly)
	submit := func() error { return t.saga().add("a1", "c1", 30).add("a2", "c2", 31).submit() }
	must(submit())
	t.await("the action is under way", func() bool { return t.recorded("GRPC /a1")+t.recorded("POST /a1") > 0 })
	var both sync.WaitGroup
	answers := make([]error, 2)
	for i := range answers {
		both.Add(1)
		go func(i int) {
			defer both.Done()
			answers[i] = submit()
		}(i)
	}
	both.Wait()
	t.fact("again", []string{short(answers[0]), short(answers[1])})
	var r result
	t.end(&r)
	t.err = submit()
}

// registerRepeated: the client's request was taken but the answer lost, so that it asks again.
func registerRepeated(t *trial) {
	c := t.newTcc()
	must(t.callDtm(c.base, "prepare"))
	must(c.call("1", 30))
	again := *c
	if c.http != nil {
		fresh := *c.http
		fresh.BranchIDGen = dtmimp.BranchIDGen{}
		again.http = &fresh
	} else {
		fresh := *c.grpc
		fresh.BranchIDGen = dtmimp.BranchIDGen{}
		again.grpc = &fresh
	}
	t.fact("identical", t.words(short(again.call("1", 30))))
	t.err = t.callDtm(c.base, "submit")
	if t.err != nil {
		t.err = errors.New(short(t.err))
	}
}

// resetNextCronTime: an action that failed is tried again at once although its turn would come in an hour.
func resetNextCronTime(t *trial) {
	t.on("/a1", first(ongoing))
	s := t.saga().add("a1", "c1", 30)
	s.base.RetryInterval = 3600
	must(s.submit())
	t.await("the action was tried", func() bool { return t.recorded("POST /a1") > 0 })
	// The answer of the branch is on its way to the server's record; what is not there cannot be reset.
	t.err = t.post("resetNextCronTime")
	t.patience = 15 * time.Second
}

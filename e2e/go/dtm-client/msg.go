package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/dtm-labs/client/dtmcli"
	"github.com/dtm-labs/client/dtmcli/dtmimp"
	"github.com/dtm-labs/client/dtmgrpc"
	"github.com/dtm-labs/client/dtmgrpc/dtmgimp"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var msgScenarios = []scenario{
	{"msg_ok", both, func(t *trial) {
		t.err = t.msg().add("a1", 30).add("a2", 31).submit()
	}},
	{"msg_concurrent", httpOnly, func(t *trial) {
		t.sorted = true
		m := t.msg().add("a1", 30).add("a2", 31)
		m.base.Concurrent = true
		t.err = m.submit()
	}},
	{"msg_delivery_retried", both, func(t *trial) {
		t.on("/a1", first(refused))
		m := t.msg().add("a1", 30).add("a2", 31)
		m.base.RetryInterval = 1
		t.err = m.submit()
	}},
	{"msg_aborted", both, func(t *trial) {
		m := t.msg().add("a1", 30)
		must(m.prepare())
		t.err = t.callDtm(m.base, "abort")
	}},
	// Prepared and then forgotten: the server asks.
	{"msg_back_check_yes", both, func(t *trial) { t.forgotten(done) }},
	{"msg_back_check_no", both, func(t *trial) { t.forgotten(refused) }},
	{"msg_back_check_ongoing", both, func(t *trial) { t.forgotten(ongoing) }},
	{"msg_delayed", both, func(t *trial) {
		var arrived time.Time
		t.on("/a1", func(*call) answer { arrived = time.Now(); return done })
		m := t.msg().add("a1", 30)
		m.delay(2)
		began := time.Now()
		t.err = m.submit()
		var r result
		t.end(&r)
		t.fact("not_before_2_s", arrived.Sub(began) >= 2*time.Second)
	}},
	{"msg_barrier_commit_postgres", both, func(t *trial) { t.barrier(t.postgres, nil) }},
	{"msg_barrier_commit_mariadb", both, func(t *trial) { t.barrier(t.mariadb, nil) }},
	{"msg_barrier_refused_postgres", both, func(t *trial) { t.barrier(t.postgres, dtmcli.ErrFailure) }},
	{"msg_barrier_refused_mariadb", both, func(t *trial) { t.barrier(t.mariadb, dtmcli.ErrFailure) }},
	// An error that is no refusal: the SDK itself asks its own back-check what became of it.
	{"msg_barrier_error_postgres", both, func(t *trial) { t.barrier(t.postgres, errors.New("boom")) }},
	{"msg_crash_after_commit", both, func(t *trial) { t.crash("msg-after-commit") }},
	{"msg_crash_before_commit", both, func(t *trial) { t.crash("msg-before-commit") }},
}

// msg is one of either transport.
type msg struct {
	t    *trial
	base *dtmimp.TransBase
	http *dtmcli.Msg
	grpc *dtmgrpc.MsgGrpc
}

func (t *trial) msg() *msg { return t.msgFor(t.gid) }

func (t *trial) msgFor(gid string) *msg {
	m := &msg{t: t}
	if t.transport == "grpc" {
		m.grpc = dtmgrpc.NewMsgGrpc(t.dtmGRPC, gid)
		m.base = &m.grpc.TransBase
	} else {
		m.http = dtmcli.NewMsg(t.base(), gid)
		m.base = &m.http.TransBase
	}
	return m
}

func (m *msg) add(action string, amount int) *msg {
	url := action
	if !strings.HasPrefix(action, dtmimp.MsgTopicPrefix) {
		url = m.t.url(action)
	}
	if m.grpc != nil {
		m.grpc.Add(url, wrapperspb.String(payload(amount)))
	} else {
		m.http.Add(url, map[string]int{"amount": amount})
	}
	return m
}

func (m *msg) delay(seconds uint64) {
	if m.grpc != nil {
		m.grpc.SetDelay(seconds)
	} else {
		m.http.SetDelay(seconds)
	}
}

func (m *msg) prepare() error {
	if m.grpc != nil {
		return m.grpc.Prepare(m.t.url("check"))
	}
	return m.http.Prepare(m.t.url("check"))
}

func (m *msg) submit() error {
	if m.grpc != nil {
		return m.grpc.Submit()
	}
	return m.http.Submit()
}

func (m *msg) doAndSubmit(business func(bb *dtmcli.BranchBarrier) error) error {
	if m.grpc != nil {
		return m.grpc.DoAndSubmit(m.t.url("check"), business)
	}
	return m.http.DoAndSubmit(m.t.url("check"), business)
}

func (t *trial) forgotten(says answer) {
	t.on("/check", first(says))
	m := t.msg().add("a1", 30)
	m.base.TimeoutToFail, m.base.RetryInterval = 1, 1
	t.err = m.prepare()
}

// check is the back-check as the SDK does it, from the barrier's table.
func (t *trial) check(d *database) handler {
	return func(c *call) answer {
		bb, err := dtmcli.BarrierFromQuery(c.values())
		if t.transport == "grpc" {
			bb, err = dtmgrpc.BarrierFromGrpc(c.context())
		}
		must(err)
		bb.DBType = d.conf.Driver
		if err := bb.QueryPrepared(d.db); errors.Is(err, dtmcli.ErrFailure) {
			return refused
		} else if err != nil {
			return answer{500, err.Error()}
		}
		return done
	}
}

// barrier sends a message together with a local transaction that ends so.
func (t *trial) barrier(d *database, end error) {
	if d == nil {
		panic("this scenario wants --postgres and --mariadb")
	}
	t.on("/check", t.check(d))
	m := t.msg().add("a1", 30)
	m.base.TimeoutToFail, m.base.RetryInterval = 1, 1
	t.err = m.doAndSubmit(func(bb *dtmcli.BranchBarrier) error {
		return enterWithBarrier(bb, d, t.gid, func() error { return end })
	})
	var r result
	t.end(&r)
	t.fact("ledger", d.entries(t.gid))
}

// enterWithBarrier is the local business; before is called before its commit.
func enterWithBarrier(bb *dtmcli.BranchBarrier, d *database, gid string, before func() error) error {
	bb.DBType = d.conf.Driver
	return bb.CallWithDB(d.db, func(tx *sql.Tx) error {
		return firstError(d.enter(tx, gid, "sent"), before())
	})
}

func callGRPC(_ context.Context, base *dtmimp.TransBase, operation string) error {
	return dtmgimp.DtmGrpcCall(base, strings.ToUpper(operation[:1])+operation[1:])
}

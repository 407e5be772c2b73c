package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/dtm-labs/client/dtmcli"
	"github.com/dtm-labs/client/dtmcli/dtmimp"
	"github.com/dtm-labs/client/dtmgrpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var sagaScenarios = []scenario{
	{"saga_ok", both, func(t *trial) {
		t.err = t.saga().add("a1", "c1", 30).add("a2", "c2", 31).submit()
	}},
	{"saga_rollback", both, func(t *trial) {
		t.on("/a2", always(refused))
		t.err = t.saga().add("a1", "c1", 30).add("a2", "c2", 31).add("a3", "c3", 32).submit()
	}},
	// Steps 01 and 02 at once and neither ends before both have begun, then 03.
	{"saga_concurrent_ordered", both, func(t *trial) {
		t.sorted = true
		var begun sync.WaitGroup
		begun.Add(2)
		var mutex sync.Mutex
		ended := map[string]bool{}
		meet := func(c *call) answer {
			begun.Done()
			begun.Wait()
			mutex.Lock()
			defer mutex.Unlock()
			ended[c.path] = true
			return done
		}
		t.on("/a1", meet)
		t.on("/a2", meet)
		t.on("/a3", func(*call) answer {
			mutex.Lock()
			defer mutex.Unlock()
			t.fact("third_after_both", ended["/a1"] && ended["/a2"])
			return done
		})
		s := t.saga().add("a1", "c1", 1).add("a2", "c2", 2).add("a3", "c3", 3)
		s.concurrent(map[int][]int{2: {0, 1}})
		t.err = s.submit()
	}},
	// The last step waits for the second and refuses; compensations run in the reverse of the orders.
	{"saga_concurrent_rollback", both, func(t *trial) {
		t.sorted = true
		var mutex sync.Mutex
		undone := map[string]bool{}
		undo := func(after ...string) handler {
			return func(c *call) answer {
				mutex.Lock()
				defer mutex.Unlock()
				undone[c.path] = true
				for _, other := range after {
					t.fact(c.path+" after "+other, undone[other])
				}
				return done
			}
		}
		t.on("/a2", always(refused))
		t.on("/c1", undo("/c2"))
		t.on("/c2", undo())
		s := t.saga().add("a1", "c1", 1).add("a2", "c2", 2)
		s.concurrent(map[int][]int{1: {0}})
		t.err = s.submit()
	}},
	{"saga_ongoing", both, func(t *trial) {
		t.on("/a1", first(ongoing))
		s := t.saga().add("a1", "c1", 30).add("a2", "c2", 31)
		s.base.RetryInterval = 1
		t.err = s.submit()
	}},
	{"saga_error", both, func(t *trial) {
		t.on("/a2", first(broken))
		s := t.saga().add("a1", "c1", 30).add("a2", "c2", 31)
		s.base.RetryInterval = 1
		t.err = s.submit()
	}},
	{"saga_compensation_retried", both, func(t *trial) {
		t.on("/a2", always(refused))
		t.on("/c1", first(broken))
		s := t.saga().add("a1", "c1", 30).add("a2", "c2", 31)
		s.base.RetryInterval = 1
		t.err = s.submit()
	}},
	{"saga_timeout", both, func(t *trial) {
		t.collapse = true
		t.on("/a1", always(ongoing))
		s := t.saga().add("a1", "c1", 30).add("a2", "c2", 31)
		s.base.RetryInterval, s.base.TimeoutToFail = 1, 2
		t.err = s.submit()
	}},
	{"saga_retry_limit", httpOnly, func(t *trial) {
		t.on("/a1", always(broken))
		s := t.saga().add("a1", "c1", 30)
		s.base.RetryInterval, s.base.RetryLimit = 1, 2
		t.err = s.submit()
	}},
	// A branch without URL is done; one without payload is fetched.
	{"saga_empty", httpOnly, func(t *trial) {
		s := t.saga()
		s.http.Steps = []map[string]string{{"action": "", "compensate": ""}, {"action": t.url("a2?uid=1")}}
		s.http.Payloads = []string{"{}", ""}
		t.err = s.submit()
	}},
}

// saga is one of either transport.
type saga struct {
	t    *trial
	base *dtmimp.TransBase
	http *dtmcli.Saga
	grpc *dtmgrpc.SagaGrpc
}

func (t *trial) saga() *saga { return t.sagaFor(t.gid) }

func (t *trial) sagaFor(gid string) *saga {
	s := &saga{t: t}
	if t.transport == "grpc" {
		s.grpc = dtmgrpc.NewSagaGrpc(t.dtmGRPC, gid)
		s.base = &s.grpc.TransBase
	} else {
		s.http = dtmcli.NewSaga(t.base(), gid)
		s.base = &s.http.TransBase
	}
	return s
}

func payload(amount int) string { return fmt.Sprintf(`{"amount":%d}`, amount) }

func (s *saga) add(action, compensate string, amount int) *saga {
	if s.grpc != nil {
		s.grpc.Add(s.t.url(action), s.t.url(compensate), wrapperspb.String(payload(amount)))
	} else {
		s.http.Add(s.t.url(action), s.t.url(compensate), map[string]int{"amount": amount})
	}
	return s
}

func (s *saga) concurrent(orders map[int][]int) {
	for step, before := range orders {
		if s.grpc != nil {
			s.grpc.AddBranchOrder(step, before)
		} else {
			s.http.AddBranchOrder(step, before)
		}
	}
	if s.grpc != nil {
		s.grpc.EnableConcurrent()
	} else {
		s.http.SetConcurrent()
	}
}

func (s *saga) submit() error {
	if s.grpc != nil {
		return s.grpc.Submit()
	}
	return s.http.Submit()
}

// short keeps the first line of what an error says.
func short(err error) string {
	if err == nil {
		return ""
	}
	return strings.SplitN(err.Error(), "\n", 2)[0]
}

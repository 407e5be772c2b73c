package main

import (
	"errors"

	"github.com/dtm-labs/client/dtmcli"
	"github.com/dtm-labs/client/dtmcli/dtmimp"
	"github.com/dtm-labs/client/dtmgrpc"
	"github.com/go-resty/resty/v2"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var tccScenarios = []scenario{
	{"tcc_ok", both, func(t *trial) {
		t.err = t.tcc(func(c *tcc) error { return firstError(c.call("1", 30), c.call("2", 31)) })
	}},
	{"tcc_cancel", both, func(t *trial) {
		t.on("/try2", always(refused))
		t.err = t.tcc(func(c *tcc) error {
			if err := c.call("1", 30); err != nil {
				return err
			}
			return c.call("2", 31)
		})
	}},
	// The business itself gives up, after both tries.
	{"tcc_given_up", both, func(t *trial) {
		t.err = t.tcc(func(c *tcc) error {
			must(firstError(c.call("1", 30), c.call("2", 31)))
			return errors.New("changed my mind")
		})
	}},
	{"tcc_nested", both, func(t *trial) {
		t.on("/try1", func(c *call) answer {
			inner, err := t.tccFrom(c)
			must(err)
			if err := inner.call("3", 7); err != nil {
				return broken
			}
			return done
		})
		t.err = t.tcc(func(c *tcc) error { return firstError(c.call("1", 30), c.call("2", 31)) })
	}},
	{"tcc_confirm_retried", both, func(t *trial) {
		t.on("/confirm1", first(refused))
		t.err = t.tcc(func(c *tcc) error {
			return firstError(c.call("1", 30), c.call("2", 31))
		}, func(c *tcc) { c.base.RetryInterval = 1 })
	}},
	// Nobody submits: the server cancels when the time is up.
	{"tcc_timeout", both, func(t *trial) {
		c := t.newTcc()
		c.base.TimeoutToFail, c.base.RetryInterval = 1, 1
		must(t.callDtm(c.base, "prepare"))
		must(c.call("1", 30))
	}},
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// tcc is one of either transport.
type tcc struct {
	t    *trial
	base *dtmimp.TransBase
	http *dtmcli.Tcc
	grpc *dtmgrpc.TccGrpc
}

// tcc runs a business from prepare to submit or abort.
func (t *trial) tcc(business func(c *tcc) error, custom ...func(c *tcc)) error {
	if t.transport == "grpc" {
		wrap := func(g *dtmgrpc.TccGrpc) *tcc { return &tcc{t: t, base: &g.TransBase, grpc: g} }
		return dtmgrpc.TccGlobalTransaction2(t.dtmGRPC, t.gid, func(g *dtmgrpc.TccGrpc) {
			for _, one := range custom {
				one(wrap(g))
			}
		}, func(g *dtmgrpc.TccGrpc) error { return business(wrap(g)) })
	}
	wrap := func(h *dtmcli.Tcc) *tcc { return &tcc{t: t, base: &h.TransBase, http: h} }
	return dtmcli.TccGlobalTransaction2(t.base(), t.gid, func(h *dtmcli.Tcc) {
		for _, one := range custom {
			one(wrap(h))
		}
	}, func(h *dtmcli.Tcc) (*resty.Response, error) { return nil, business(wrap(h)) })
}

// newTcc is one that nobody drives.
func (t *trial) newTcc() *tcc {
	if t.transport == "grpc" {
		g := &dtmgrpc.TccGrpc{TransBase: *dtmimp.NewTransBase(t.gid, "tcc", t.dtmGRPC, "")}
		return &tcc{t: t, base: &g.TransBase, grpc: g}
	}
	h := &dtmcli.Tcc{TransBase: *dtmimp.NewTransBase(t.gid, "tcc", t.base(), "")}
	return &tcc{t: t, base: &h.TransBase, http: h}
}

// tccFrom is the transaction that a participant is called in.
func (t *trial) tccFrom(c *call) (*tcc, error) {
	if t.transport == "grpc" {
		g, err := dtmgrpc.TccFromGrpc(c.context())
		if err != nil {
			return nil, err
		}
		return &tcc{t: t, base: &g.TransBase, grpc: g}, nil
	}
	h, err := dtmcli.TccFromQuery(c.values())
	if err != nil {
		return nil, err
	}
	return &tcc{t: t, base: &h.TransBase, http: h}, nil
}

// call registers a branch and tries it.
func (c *tcc) call(name string, amount int) error {
	try, confirm, cancel := c.t.url("try"+name), c.t.url("confirm"+name), c.t.url("cancel"+name)
	if c.grpc != nil {
		return c.grpc.CallBranch(wrapperspb.String(payload(amount)), try, confirm, cancel, &emptypb.Empty{})
	}
	_, err := c.http.CallBranch(map[string]int{"amount": amount}, try, confirm, cancel)
	return err
}

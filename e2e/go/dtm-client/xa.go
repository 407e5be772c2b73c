package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/dtm-labs/client/dtmcli"
	"github.com/dtm-labs/client/dtmcli/dtmimp"
	"github.com/dtm-labs/client/dtmgrpc"
	"github.com/go-resty/resty/v2"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// One branch on PostgreSQL, one on MariaDB: what the ledgers hold in the end is what counts.
var xaScenarios = []scenario{
	{"xa_ok", both, func(t *trial) {
		t.xa(nil)
	}},
	{"xa_rollback", both, func(t *trial) {
		t.xa(errors.New("changed my mind"))
	}},
	// The second branch refuses within its own local transaction.
	{"xa_branch_refuses", both, func(t *trial) {
		t.xaBranch("/mariadb", t.mariadb, dtmcli.ErrFailure)
		t.xa(nil)
	}},
}

// xa calls both branches; business is what then happens.
func (t *trial) xa(business error) {
	if t.postgres == nil || t.mariadb == nil {
		panic("xa wants --postgres and --mariadb")
	}
	if t.handlers["/postgres"] == nil {
		t.xaBranch("/postgres", t.postgres, nil)
	}
	if t.handlers["/mariadb"] == nil {
		t.xaBranch("/mariadb", t.mariadb, nil)
	}
	run := func(call func(name string, amount int) error) error {
		for _, name := range []string{"postgres", "mariadb"} {
			if err := call(name, 30); err != nil {
				return err
			}
		}
		return business
	}
	if t.transport == "grpc" {
		t.err = dtmgrpc.XaGlobalTransaction(t.dtmGRPC, t.gid, func(xa *dtmgrpc.XaGrpc) error {
			return run(func(name string, amount int) error {
				return xa.CallBranch(wrapperspb.String(payload(amount)), t.url(name), &emptypb.Empty{})
			})
		})
	} else {
		t.err = dtmcli.XaGlobalTransaction(t.base(), t.gid, func(xa *dtmcli.Xa) (*resty.Response, error) {
			return nil, run(func(name string, amount int) error {
				_, err := xa.CallBranch(map[string]int{"amount": amount}, t.url(name))
				return err
			})
		})
	}
	var r result
	t.end(&r)
	t.fact("postgres", t.postgres.entries(t.gid))
	t.fact("mariadb", t.mariadb.entries(t.gid))
}

// xaBranch is a participant whose local transaction is one of XA.
func (t *trial) xaBranch(path string, d *database, refusal error) {
	t.on(path, func(c *call) answer {
		local := func(db *sql.DB) error {
			return firstError(d.enter(db, t.gid, "branch "+c.query["branch_id"]), refusal)
		}
		var err error
		if t.transport == "grpc" {
			err = dtmgrpc.XaLocalTransaction(c.context(), d.conf, func(db *sql.DB, _ *dtmgrpc.XaGrpc) error { return local(db) })
		} else {
			err = dtmcli.XaLocalTransaction(c.values(), d.conf, func(db *sql.DB, _ *dtmcli.Xa) error { return local(db) })
		}
		if errors.Is(err, dtmcli.ErrFailure) {
			return refused
		} else if err != nil {
			return answer{500, err.Error()}
		}
		return done
	})
}

// callDtm is for steps that the SDK only takes as part of a whole.
func (t *trial) callDtm(base *dtmimp.TransBase, operation string) error {
	if t.transport == "grpc" {
		return callGRPC(context.Background(), base, operation)
	}
	return dtmimp.TransCallDtm(base, operation)
}

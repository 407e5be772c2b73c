package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/dtm-labs/client/dtmcli"
	"github.com/dtm-labs/client/workflow"
)

// crash runs a part of a scenario in a process of its own that is killed in the middle of it.
func (t *trial) crash(part string) {
	t.on("/check", t.check(t.postgres))
	t.die(part)
	var r result
	t.end(&r)
	t.fact("ledger", t.postgres.entries(t.gid))
}

// die starts the process and sees to it that it was killed.
func (t *trial) die(part string) {
	self, err := os.Executable()
	must(err)
	participants := t.busiHTTP
	if t.transport == "grpc" {
		participants = t.busiGRPC
	}
	command := exec.Command(self, "--dtm-http", t.dtmHTTP, "--dtm-grpc", t.dtmGRPC, "--postgres", t.postgresURL,
		"--doomed", part+"/"+t.transport, "--doomed-gid", t.gid, "--doomed-url", participants+" "+t.callbackGRPC())
	output, err := command.CombinedOutput()
	state := command.ProcessState
	if state == nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		panic("the doomed process did not die: " + string(output))
	}
}

// die is that process.
func die(e *environment, what, gid, urls string) {
	part, transport, _ := strings.Cut(what, "/")
	participants, callback, _ := strings.Cut(urls, " ")
	t := &trial{environment: e, transport: transport, gid: gid, handlers: map[string]handler{}}
	e.busiHTTP, e.busiGRPC = participants, participants
	killed := func() error {
		must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
		select {}
	}
	switch part {
	case "msg-before-commit", "msg-after-commit":
		must(e.open())
		m := t.msg().add("a1", 30)
		m.base.TimeoutToFail, m.base.RetryInterval = 1, 1
		must(m.doAndSubmit(func(bb *dtmcli.BranchBarrier) error {
			before := killed
			if part == "msg-after-commit" {
				before = func() error { return nil }
			}
			must(enterWithBarrier(bb, e.postgres, gid, before))
			return killed()
		}))
	case "workflow":
		t.initWorkflow(callback)
		must(workflow.Register("doomed", func(wf *workflow.Workflow, data []byte) error {
			must(t.step(wf, "a1", data))
			return killed()
		}))
		must(workflow.Execute("doomed", gid, []byte(payload(30))))
	default:
		panic("no part " + part)
	}
}

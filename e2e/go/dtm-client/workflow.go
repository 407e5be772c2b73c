package main

import (
	"context"
	"net"
	"sync"

	"github.com/dtm-labs/client/dtmcli"
	"github.com/dtm-labs/client/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The SDK keeps one protocol for all workflows of a process, so that only one of these runs at a time.
var workflowScenarios = []scenario{
	{"workflow_ok", both, func(t *trial) { t.workflow("ok") }},
	{"workflow_rollback", both, func(t *trial) {
		t.on("/a2", always(refused))
		t.workflow("ok")
	}},
	// A step that is not done yet leaves the workflow open: the server calls again, and finished steps are not repeated.
	{"workflow_ongoing", both, func(t *trial) {
		t.on("/a2", first(ongoing))
		t.workflow("ok")
	}},
	// The process dies after its first step.
	{"workflow_crash", both, func(t *trial) {
		oneWorkflow.Lock()
		defer oneWorkflow.Unlock()
		t.initWorkflow("")
		t.on("/workflow", t.resume)
		t.die("workflow")
		var r result
		t.end(&r)
	}},
	// A finished workflow answers from what the server kept.
	{"workflow_again", both, func(t *trial) {
		t.workflow("ok")
		oneWorkflow.Lock()
		defer oneWorkflow.Unlock()
		t.initWorkflow("")
		kept, err := workflow.ExecuteCtx(context.Background(), "ok", t.gid, []byte(payload(30)))
		must(err)
		t.fact("again", string(kept))
	}},
}

var (
	oneWorkflow  sync.Mutex
	workflowGRPC = grpc.NewServer()
	workflowHost string
	interceptor  = grpc.WithUnaryInterceptor(workflow.Interceptor)
)

// startWorkflows listens for the calls that resume workflows over gRPC, and says what the workflows are.
func (e *environment) startWorkflows() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	workflowHost = listener.Addr().String()
	workflow.InitGrpc(e.dtmGRPC, workflowHost, workflowGRPC)
	go func() { panic(workflowGRPC.Serve(listener)) }()
	for _, name := range []string{"ok", "doomed"} {
		if err := workflow.Register2(name, e.transfer); err != nil {
			return err
		}
	}
	return nil
}

// transfer is two branches of others and one of our own.
func (e *environment) transfer(wf *workflow.Workflow, data []byte) ([]byte, error) {
	t := e.trial(wf.Gid)
	if err := t.step(wf, "a1", data); err != nil {
		return nil, err
	}
	if err := t.step(wf, "a2", data); err != nil {
		return nil, err
	}
	return wf.NewBranch().Do(func(bb *dtmcli.BranchBarrier) ([]byte, error) {
		t.note("LOCAL %s %s", bb.BranchID, bb.Op)
		return []byte("thank you"), nil
	})
}

// callbackGRPC is where workflows are resumed over gRPC.
func (t *trial) callbackGRPC() string { return workflowHost }

// initWorkflow chooses the protocol; a process that serves nothing names who does.
func (t *trial) initWorkflow(callback string) {
	if t.transport == "http" {
		workflow.InitHTTP(t.base(), t.busiHTTP+"/workflow")
	} else if callback != "" {
		workflow.InitGrpc(t.dtmGRPC, callback, grpc.NewServer())
	} else {
		workflow.SetProtocolForTest("grpc")
	}
}

func (t *trial) workflow(name string) {
	oneWorkflow.Lock()
	defer oneWorkflow.Unlock()
	t.initWorkflow("")
	t.on("/workflow", t.resume)
	var told []byte
	told, t.err = workflow.ExecuteCtx(context.Background(), name, t.gid, []byte(payload(30)))
	var r result
	t.end(&r)
	t.fact("told", string(told))
	if shown := t.query(t.gid); shown.Transaction != nil {
		t.fact("kept", shown.result())
	}
}

// resume is what the server's call does over HTTP.
func (t *trial) resume(c *call) answer {
	if err := workflow.ExecuteByQS(c.values(), []byte(c.payload)); err != nil {
		return answer{409, err.Error()}
	}
	return done
}

// step is a branch of somebody else's, and how it is undone.
func (t *trial) step(wf *workflow.Workflow, name string, data []byte) error {
	wf.NewBranch().OnRollback(func(*dtmcli.BranchBarrier) error { return t.invoke(wf, "undo-"+name, data) })
	return t.invoke(wf, name, data)
}

func (t *trial) invoke(wf *workflow.Workflow, name string, data []byte) error {
	if t.transport == "http" {
		_, err := wf.NewRequest().SetBody(string(data)).Post(t.url(name))
		return err
	}
	connection, err := grpc.Dial(t.busiGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), interceptor)
	must(err)
	defer connection.Close()
	return connection.Invoke(wf.Context, "/e2e.Busi/"+name, wrapperspb.String(string(data)), &emptypb.Empty{})
}

// dtm-client plays transaction manager and participants with the unmodified Go SDK of dtm against the server it is
// pointed at, and prints one JSON object a line for each scenario: what the participants themselves saw of it, what the
// SDK told its caller, and what /query says in the end. Names of this run (gid, ports) are replaced by words, so that
// lines of different runs and servers can be compared.
//
//	dtm-client --dtm-http HOST:PORT --dtm-grpc HOST:PORT [--postgres URL] [--mariadb URL] [SCENARIO[/TRANSPORT]]...
//	dtm-client --list
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/dtm-labs/logger"
)

// A scenario runs once for each of its transports.
type scenario struct {
	name       string
	transports []string
	run        func(t *trial)
}

var (
	httpOnly = []string{"http"}
	both     = []string{"http", "grpc"}
)

func scenarios() []scenario {
	var all []scenario
	for _, group := range [][]scenario{
		sagaScenarios, waitScenarios, tccScenarios, xaScenarios, msgScenarios, topicScenarios, workflowScenarios,
		oddScenarios,
	} {
		all = append(all, group...)
	}
	return all
}

func main() {
	var e environment
	flag.StringVar(&e.dtmHTTP, "dtm-http", "", "host:port of the server's HTTP")
	flag.StringVar(&e.dtmGRPC, "dtm-grpc", "", "host:port of the server's gRPC")
	flag.StringVar(&e.postgresURL, "postgres", "", "postgres://user@host:port/database")
	flag.StringVar(&e.mariadbURL, "mariadb", "", "mysql://user@host:port/database")
	list := flag.Bool("list", false, "print the names of all scenarios")
	parallel := flag.Int("parallel", 1, "scenarios at a time")
	doomed := flag.String("doomed", "", "run this part and die in the middle of it (the program starts itself so)")
	doomedGid := flag.String("doomed-gid", "", "for --doomed: the transaction")
	doomedURL := flag.String("doomed-url", "", "for --doomed: base URL of the participants")
	flag.Parse()
	logger.InitLog("fatal")
	if *list {
		for _, one := range scenarios() {
			for _, transport := range one.transports {
				fmt.Println(one.name + "/" + transport)
			}
		}
		return
	}
	if *doomed != "" {
		die(&e, *doomed, *doomedGid, *doomedURL)
		return
	}
	if err := e.start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	work, err := chosen(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	runAll(&e, work, *parallel)
}

type job struct {
	scenario
	transport string
}

// chosen names, or all.
func chosen(names []string) ([]job, error) {
	var work []job
	found := map[string]bool{}
	for _, one := range scenarios() {
		for _, transport := range one.transports {
			full := one.name + "/" + transport
			wanted := len(names) == 0
			for _, name := range names {
				if name == one.name || name == full {
					wanted, found[name] = true, true
				}
			}
			if wanted {
				work = append(work, job{one, transport})
			}
		}
	}
	for _, name := range names {
		if !found[name] {
			return nil, fmt.Errorf("no scenario %s; --list names them", name)
		}
	}
	return work, nil
}

func runAll(e *environment, work []job, parallel int) {
	queue := make(chan job, len(work))
	for _, one := range work {
		queue <- one
	}
	close(queue)
	var workers sync.WaitGroup
	var output sync.Mutex
	for i := 0; i < parallel; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for one := range queue {
				line, err := json.Marshal(e.try(one))
				if err != nil {
					panic(err)
				}
				output.Lock()
				fmt.Println(strings.TrimSpace(string(line)))
				output.Unlock()
			}
		}()
	}
	workers.Wait()
}

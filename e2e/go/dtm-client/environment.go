package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dtm-labs/client/dtmcli"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/lib/pq"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Where everybody is, and which trial a call belongs to.
type environment struct {
	dtmHTTP, dtmGRPC        string
	postgresURL, mariadbURL string
	busiHTTP, busiGRPC      string
	postgres, mariadb       *database
	// The time of the start, so that no two runs share a name.
	run string

	mutex  sync.Mutex
	trials map[string]*trial
	count  int
}

// A database of the participants.
type database struct {
	conf dtmcli.DBConf
	db   *sql.DB
}

func (e *environment) base() string { return "http://" + e.dtmHTTP + "/api/dtmsvr" }

// start listens as participant and prepares the databases.
func (e *environment) start() error {
	e.run = strconv.FormatInt(time.Now().UnixNano(), 36)
	e.trials = map[string]*trial{}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.busiHTTP = "http://" + web.Addr().String()
	go func() { panic(http.Serve(web, http.HandlerFunc(e.serveHTTP))) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.busiGRPC = listener.Addr().String()
	server := grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(e.serveGRPC))
	go func() { panic(server.Serve(listener)) }()
	if err := e.startWorkflows(); err != nil {
		return err
	}
	return e.open()
}

func (e *environment) open() error {
	var err error
	if e.postgresURL != "" {
		if e.postgres, err = openDatabase("postgres", e.postgresURL, postgresTables); err != nil {
			return err
		}
	}
	if e.mariadbURL != "" {
		e.mariadb, err = openDatabase("mysql", e.mariadbURL, mariadbTables)
	}
	return err
}

var postgresTables = []string{
	`create schema if not exists dtm_barrier`,
	`create table if not exists dtm_barrier.barrier(id bigserial primary key, trans_type varchar(45), gid varchar(128),
		branch_id varchar(128), op varchar(45), barrier_id varchar(45), reason varchar(45),
		constraint uniq_barrier unique(gid, branch_id, op, barrier_id))`,
	`create table if not exists ledger(gid varchar(128), entry varchar(128))`,
}

var mariadbTables = []string{
	`create database if not exists dtm_barrier`,
	`create table if not exists dtm_barrier.barrier(id bigint primary key auto_increment, trans_type varchar(45),
		gid varchar(128), branch_id varchar(128), op varchar(45), barrier_id varchar(45), reason varchar(45),
		unique key(gid, branch_id, op, barrier_id)) engine=innodb`,
	`create table if not exists ledger(gid varchar(128), entry varchar(128)) engine=innodb`,
}

func openDatabase(driver, text string, tables []string) (*database, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseInt(parsed.Port(), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s names no port", text)
	}
	password, _ := parsed.User.Password()
	conf := dtmcli.DBConf{
		Driver: driver, Host: parsed.Hostname(), Port: port, User: parsed.User.Username(), Password: password,
		Db: strings.TrimPrefix(parsed.Path, "/"), Schema: "public",
	}
	dsn := fmt.Sprintf("%s:%s@tcp(%s:%d)/%s", conf.User, conf.Password, conf.Host, port, conf.Db)
	if driver == "postgres" {
		// The SDK writes an empty password in a way that swallows the name of the database.
		if conf.Password == "" {
			conf.Password = "unused"
		}
		dsn = text + "?sslmode=disable"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	for _, statement := range tables {
		if _, err := db.Exec(statement); err != nil {
			return nil, err
		}
	}
	return &database{conf, db}, nil
}

// enter (a book-keeping entry) is what a business transaction does; the SDK's placeholders differ by database.
func (d *database) enter(tx interface {
	Exec(query string, arguments ...any) (sql.Result, error)
}, gid, entry string) error {
	statement := "insert into ledger(gid, entry) values(?, ?)"
	if d.conf.Driver == "postgres" {
		statement = "insert into ledger(gid, entry) values($1, $2)"
	}
	_, err := tx.Exec(statement, gid, entry)
	return err
}

// entries are what is left of a transaction's business.
func (d *database) entries(gid string) []string {
	statement := "select entry from ledger where gid = ? order by entry"
	if d.conf.Driver == "postgres" {
		statement = "select entry from ledger where gid = $1 order by entry"
	}
	rows, err := d.db.Query(statement, gid)
	must(err)
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var entry string
		must(rows.Scan(&entry))
		all = append(all, entry)
	}
	return all
}

func (e *environment) newGid(name string) string {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.count++
	return fmt.Sprintf("%s-%s-%d.", name, e.run, e.count)
}

// enter lets calls for a gid reach its trial.
func (e *environment) enter(gid string, t *trial) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.trials[gid] = t
}

func (e *environment) leave(t *trial) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for gid, other := range e.trials {
		if other == t {
			delete(e.trials, gid)
		}
	}
}

func (e *environment) trial(gid string) *trial {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.trials[gid]
}

func (e *environment) serveHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c := &call{method: r.Method, path: r.URL.Path, query: map[string]string{}, headers: map[string]string{}}
	c.payload = string(body)
	for name := range r.URL.Query() {
		c.query[name] = r.URL.Query().Get(name)
	}
	for name := range r.Header {
		c.headers[strings.ToLower(name)] = r.Header.Get(name)
	}
	if c.query["gid"] == "" {
		readJSONRPC(c)
	}
	t := e.trial(c.query["gid"])
	if t == nil {
		http.Error(w, "this transaction is over", http.StatusInternalServerError)
		return
	}
	a := t.serve(c)
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.text)
}

// serveGRPC answers any method of any service; its messages stay bytes.
func (e *environment) serveGRPC(_ any, stream grpc.ServerStream) error {
	var message []byte
	if err := stream.RecvMsg(&message); err != nil {
		return err
	}
	full, _ := grpc.MethodFromServerStream(stream)
	c := &call{method: "GRPC", path: full[strings.LastIndex(full, "/"):], query: map[string]string{}}
	c.headers = map[string]string{}
	incoming, _ := metadata.FromIncomingContext(stream.Context())
	for name, values := range incoming {
		c.headers[name] = values[0]
		c.query[strings.TrimPrefix(name, "dtm-")] = values[0]
	}
	var text wrapperspb.StringValue
	if err := proto.Unmarshal(message, &text); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	c.payload = text.Value
	t := e.trial(c.query["gid"])
	if t == nil {
		return status.Error(codes.Internal, "this transaction is over")
	}
	a := t.serve(c)
	if code, refused := map[int]codes.Code{
		409: codes.Aborted, 425: codes.FailedPrecondition, 500: codes.Unknown,
	}[a.status]; refused {
		return status.Error(code, a.text)
	}
	return stream.SendMsg(&[]byte{})
}

// raw leaves messages as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}

func (raw) Name() string { return "raw" }

// transaction is the context of a participant that is called over gRPC, for those parts of the SDK that read it there.
func (c *call) context() context.Context {
	pairs := metadata.MD{}
	for name, value := range c.headers {
		if strings.HasPrefix(name, "dtm-") {
			pairs.Set(name, value)
		}
	}
	return metadata.NewIncomingContext(context.Background(), pairs)
}

// values are the query of a participant that is called over HTTP, for those parts of the SDK that read it there.
func (c *call) values() url.Values {
	values := url.Values{}
	for name, value := range c.query {
		values.Set(name, value)
	}
	return values
}

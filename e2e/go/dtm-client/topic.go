package main

import (
	"context"
	"strings"
	"time"

	"github.com/dtm-labs/client/dtmcli"
	"github.com/dtm-labs/client/dtmgrpc/dtmgimp"
	"github.com/dtm-labs/client/dtmgrpc/dtmgpb"
)

var topicScenarios = []scenario{
	{"topic_two_subscribers", both, func(t *trial) {
		topic := t.topic()
		must(t.subscribe(topic, t.url("s1")))
		must(t.subscribe(topic, t.url("s2")))
		t.fact("again", t.words(short(t.subscribe(topic, t.url("s2")))))
		t.publish(func() error { return t.msg().add("topic://"+topic, 30).add("a2", 31).submit() })
	}},
	{"topic_one_subscriber", both, func(t *trial) {
		topic := t.topic()
		must(t.subscribe(topic, t.url("s1")))
		must(t.subscribe(topic, t.url("s2")))
		must(t.unsubscribe(topic, t.url("s2")))
		t.fact("again", t.words(short(t.unsubscribe(topic, t.url("s2")))))
		t.publish(func() error { return t.msg().add("topic://"+topic, 30).submit() })
	}},
	{"topic_unknown", both, func(t *trial) {
		t.patience = 0
		t.err = t.msg().add("topic://"+t.topic(), 30).submit()
	}},
	{"topic_deleted", both, func(t *trial) {
		t.patience = 0
		topic := t.topic()
		must(t.subscribe(topic, t.url("s1")))
		must(t.deleteTopic(topic))
		t.fact("again", t.words(short(t.deleteTopic(topic))))
		t.err = t.msg().add("topic://"+topic, 30).submit()
	}},
}

// publish submits, and says whether the subscriptions counted at once: dtm looks for new ones every three seconds.
func (t *trial) publish(submit func() error) {
	t.err = submit()
	t.fact("visible_at_once", t.err == nil)
	deadline := time.Now().Add(10 * time.Second)
	for t.err != nil && strings.Contains(t.err.Error(), "topic not found") && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond)
		t.err = submit()
	}
}

// topic is a name that nobody else uses.
func (t *trial) topic() string { return "topic-" + t.gid }

func (t *trial) subscribe(topic, url string) error {
	if t.transport == "grpc" {
		request := &dtmgpb.DtmTopicRequest{Topic: topic, URL: url, Remark: "r"}
		_, err := dtmgimp.MustGetDtmClient(t.dtmGRPC).Subscribe(context.Background(), request)
		return err
	}
	return t.get("subscribe", map[string]string{"topic": topic, "url": url, "remark": "r"})
}

func (t *trial) unsubscribe(topic, url string) error {
	if t.transport == "grpc" {
		request := &dtmgpb.DtmTopicRequest{Topic: topic, URL: url}
		_, err := dtmgimp.MustGetDtmClient(t.dtmGRPC).Unsubscribe(context.Background(), request)
		return err
	}
	return t.get("unsubscribe", map[string]string{"topic": topic, "url": url})
}

func (t *trial) deleteTopic(topic string) error {
	if t.transport == "grpc" {
		request := &dtmgpb.DtmTopicRequest{Topic: topic}
		_, err := dtmgimp.MustGetDtmClient(t.dtmGRPC).DeleteTopic(context.Background(), request)
		return err
	}
	response, err := dtmcli.GetRestyClient().R().Delete(t.base() + "/topic/" + topic)
	return firstError(err, verdict(response))
}

func (t *trial) get(operation string, parameters map[string]string) error {
	response, err := dtmcli.GetRestyClient().R().SetQueryParams(parameters).Get(t.base() + "/" + operation)
	return firstError(err, verdict(response))
}

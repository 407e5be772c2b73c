package main

// What the caller of a submit with wait_result is told, and that the transaction goes on all the same.
var waitScenarios = []scenario{
	{"wait_saga_ok", both, func(t *trial) { t.waitSaga(done) }},
	{"wait_saga_failure", both, func(t *trial) { t.waitSaga(refused) }},
	{"wait_saga_ongoing", both, func(t *trial) { t.waitSaga(ongoing) }},
	{"wait_saga_error", both, func(t *trial) { t.waitSaga(broken) }},
	{"wait_msg_ok", both, func(t *trial) { t.waitMsg(done) }},
	{"wait_msg_failure", both, func(t *trial) { t.waitMsg(refused) }},
	{"wait_msg_ongoing", both, func(t *trial) { t.waitMsg(ongoing) }},
	{"wait_msg_error", both, func(t *trial) { t.waitMsg(broken) }},
	{"wait_tcc_ok", both, func(t *trial) { t.waitTcc(done) }},
	{"wait_tcc_failure", both, func(t *trial) { t.waitTcc(refused) }},
	{"wait_tcc_ongoing", both, func(t *trial) { t.waitTcc(ongoing) }},
	{"wait_tcc_error", both, func(t *trial) { t.waitTcc(broken) }},
}

func (t *trial) waitSaga(says answer) {
	t.on("/a1", first(says))
	s := t.saga().add("a1", "c1", 30)
	s.base.WaitResult, s.base.RetryInterval = true, 1
	t.err = s.submit()
}

func (t *trial) waitMsg(says answer) {
	t.on("/a1", first(says))
	m := t.msg().add("a1", 30)
	m.base.WaitResult, m.base.RetryInterval = true, 1
	t.err = m.submit()
}

func (t *trial) waitTcc(says answer) {
	t.on("/confirm1", first(says))
	t.err = t.tcc(func(c *tcc) error {
		return c.call("1", 30)
	}, func(c *tcc) { c.base.WaitResult, c.base.RetryInterval = true, 1 })
}

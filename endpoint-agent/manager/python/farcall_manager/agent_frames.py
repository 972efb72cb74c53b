"""What each frame of the agent makes the engine do. Beats and welcomes are the session's (session.py)."""
from .task import returned

#: a cancelled task is gone within 2 s, its own clean-up included
CANCEL_GRACE_MS = 1500
ASK_AGAIN_S = 1.0


def on_agent_frame(engine, frame, body):
    handler = HANDLERS.get(frame.get("kind"))
    if handler:
        handler(engine, frame, body)
        engine.schedule()


def give_back(engine, count):
    """Hands back up to `count` tasks that no worker has started, the last that came first."""
    leases = []

    def give(task):
        leases.append([task.id, task.lease])
        engine.intake.forget(task)

    for queue in reversed(engine.queues.waiting()):
        while len(leases) < count:
            task = queue.pop()
            if task is None:
                break
            give(task)
    for worker in engine.pool.workers:
        if len(leases) >= count:
            break
        back = worker.take_back()
        kept = max(0, len(back) - (count - len(leases)))
        for task in back[kept:]:
            give(task)
        if kept:
            back[0].info.queue.unshift(back[:kept])
    engine.schedule()
    return leases


def drop_silently(engine, task):
    """Ends a task without a word to the agent, which knows that it is no longer wanted."""
    engine.intake.forget(task)
    _kill_placed(engine, task, {"kind": "cancel"})


def _on_tasks(engine, frame, body):
    engine.intake.take(frame["specs"], frame["tasks"], body)
    if engine.draining:
        engine.drain()


def _on_disk(handle):
    """A node whose disk takes nothing can run nothing that it does not have: the manager drains, and what it gave back runs elsewhere."""
    def handled(engine, frame, body):
        try:
            handle(engine, frame, body)
        except OSError as error:
            engine.on_broken("this node's disk takes nothing: %s" % error)

    return handled


def _on_function(engine, frame, body):
    engine.intake.resolved(engine.functions.arrived(frame["function"], frame.get("definition"), body))


def _on_function_error(engine, frame, _body):
    if frame["code"] == "FUNCTION_GONE":
        failure = {"code": frame["code"], "message": frame["message"]}
        engine.intake.resolved(engine.functions.failed(frame["function"], failure))
    else:
        engine.loop.call_later(ASK_AGAIN_S, engine.functions.ask_again, frame["function"])


def _on_start(engine, frame, _body):
    task = engine.intake.tasks.get(frame["id"])
    if task is None or task.lease != frame["lease"]:
        return
    # A start that would be killed at the deadline is not made; the task stays reserved until then.
    if frame["go"] and not engine.may_start():
        return
    task.start_committed = frame["go"]
    if not frame["go"]:
        engine.intake.forget(task)
    engine.placement.start_answered(task, frame["go"])


def _on_cancel(engine, frame, _body):
    for task_id, lease in frame["leases"]:
        task = engine.intake.tasks.get(task_id)
        if task is not None and task.lease == lease and not _kill_placed(engine, task, {"kind": "cancel"}):
            engine.on_end(task, returned())


def _kill_placed(engine, task, reason):
    """Kills a started task; returns False when it was not started, and now will not be."""
    run = engine.commands.runs.get(task)
    if run is not None and run.started:
        engine.commands.kill(task, reason, CANCEL_GRACE_MS)
        return True
    if engine.placement.start_answered(task, False):
        return False
    worker = next((worker for worker in engine.pool.workers if task in worker.tasks), None)
    if worker is None:
        return False
    # The permits decide whether it was started; the others that come back are placed again.
    back = worker.take_back()
    started = task not in back
    others = [other for other in back if other is not task]
    if others:
        others[0].info.queue.unshift(others)
    if started:
        engine.pool.kill(worker, reason, CANCEL_GRACE_MS)
    return started


def _on_watch(engine, frame, _body):
    engine.watches.set(frame["task"], frame["watch"])
    task = engine.intake.tasks.get(frame["task"])
    if not frame["watch"] or task is None:
        return
    worker = next((worker for worker in engine.pool.workers if worker.tasks and worker.tasks[0] is task), None)
    run = engine.commands.runs.get(task)
    outputs = worker.process.outputs if worker else run.outputs if run else {}
    for name, stream in outputs.items():
        engine.watches.replay(task, name, stream.peek())


HANDLERS = {
    "tasks": _on_tasks,
    "taken": lambda engine, frame, _body: engine.outbox.taken(frame["message"]),
    "function": _on_disk(_on_function),
    "function-error": _on_function_error,
    "start": _on_start,
    "cancel": _on_cancel,
    "blob-chunk": _on_disk(lambda engine, frame, body: engine.blobs_in.chunk(frame, body)),
    "blob-error": lambda engine, frame, _body: engine.blobs_in.failed(frame["blob"], frame["message"]),
    "taken-blob": lambda engine, frame, _body: engine.blobs_out.taken(frame),
    "watch": _on_watch,
}

use super::*;

#[test]
fn shows_what_was_counted_and_what_is_asked_for() {
    let metrics = Metrics::new();
    let took = Duration::from_millis(2);
    metrics.request("GET", Some("/v1/jobs/{id}"), 200, took);
    metrics.request("BREW", None, 404, took);
    metrics.job_ended("succeeded");
    metrics.provider_call("sandbox", "ok", Some(took));
    metrics.webhook_attempt("timeout", took);
    metrics.task_ended("failed");
    metrics.task_attempt("http", "completed", took);
    metrics.task_lag(took);
    metrics.occurrences("overlap", 3);
    metrics.pull(|| {
        vec![
            Sample::gauge("queue_depth", "Work", 7.0).label("queue", "a").label("state", "ready"),
            Sample::counter("commits", "Commits", 9.0),
            Sample::gauge("queue_depth", "Work", 1.0).label("queue", "b").label("state", "ready"),
        ]
    });
    metrics.buried(QueueName::TaskRun);
    metrics.credits_moved(EntryKind::Charge, Environment::Live, Credits::from_micros(-2_500_001));
    metrics.credits_moved(EntryKind::Charge, Environment::Test, Credits::from_micros(1_000_000));
    metrics.pull(|| {
        let mut sizes = Tally::new([2.0, 4.0]);
        for number in [1.5, 2.0, 3.0, 8.0] {
            sizes.add(number);
        }
        vec![Sample::histogram("sizes", "Sizes", &sizes)]
    });
    metrics.pull_common(|| vec![Sample::gauge("process_threads", "Threads", 5.0)]);
    let text = metrics.render();
    for line in [
        r#"skai_http_requests_total{method="GET",route="/v1/jobs/{id}",status="200"} 1"#,
        r#"skai_http_requests_total{method="other",route="none",status="404"} 1"#,
        r#"skai_http_request_duration_seconds_bucket{le="0.0025",method="GET",route="/v1/jobs/{id}"} 1"#,
        r#"skai_jobs_ended_total{status="succeeded"} 1"#,
        r#"skai_provider_calls_total{provider="sandbox",outcome="ok"} 1"#,
        r#"skai_webhook_attempts_total{outcome="timeout"} 1"#,
        r#"skai_tasks_ended_total{status="failed"} 1"#,
        r#"skai_task_attempts_total{kind="http",outcome="completed"} 1"#,
        r#"skai_task_attempt_duration_seconds_count{kind="http"} 1"#,
        r#"skai_task_lag_seconds_bucket{le="0.005"} 1"#,
        r#"skai_schedule_occurrences_total{outcome="overlap"} 3"#,
        "skai_commits_total 9.0",
        r#"skai_queue_depth{queue="a",state="ready"} 7.0"#,
        r#"skai_queue_depth{queue="b",state="ready"} 1.0"#,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    for line in [
        r#"skai_build_info{version="0.1.0"} 1"#,
        r#"skai_credits_total{kind="charge",environment="live"} 2.500001"#,
        r#"skai_credits_total{kind="charge",environment="test"} 1.0"#,
        r#"skai_credits_total{kind="grant",environment="live"} 0.0"#,
        r#"skai_webhook_deliveries_ended_total{outcome="failed"} 0"#,
        r#"skai_dead_letters_total{queue="task.run"} 1"#,
        r#"skai_sizes_bucket{le="2.0"} 2"#,
        r#"skai_sizes_bucket{le="4.0"} 3"#,
        r#"skai_sizes_bucket{le="+Inf"} 4"#,
        "skai_sizes_sum 14.5",
        "skai_sizes_count 4",
        "process_threads 5.0",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is missing in\n{text}");
    }
    assert_eq!(text.matches("# TYPE skai_queue_depth gauge").count(), 1);
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn two_servers_count_apart() {
    let (one, other) = (Metrics::new(), Metrics::new());
    one.job_ended("failed");
    assert!(other.render().contains(r#"skai_jobs_ended_total{status="failed"} 0"#));
}

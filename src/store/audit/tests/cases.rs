//! What is done to the rows, and what the audit says of it.

use super::Case;

const UNLOCK: &str = "drop trigger ledger_keeps_entries";
const UNLOCK_PRICES: &str = "drop trigger price_keeps_versions";
const NEXT_PRICE: &str = "insert into main.price values (2, 'm', 2, 0, 0, 0, 1000000, 0, 1)";
const UNLOCK_NEWEST: &str = "drop trigger job_keeps_newest";
const UNLOCK_ALL: &str = "drop trigger ledger_keeps_all_entries";

/// Another account, which has nothing.
const TWIN: &str = "insert into main.account select 2, id, 'test', name, null, 1 from main.account";
const FOR_TESTS: &str = "update main.account set environment = 'test'";
const JOBS_LISTED: &str = "insert or replace into main.meta values ('jobs_listed', 1)";
const LEDGER_LISTED: &str = "insert or replace into main.meta values ('ledger_listed', 1)";
const DELIVERIES_LISTED: &str = "insert or replace into main.meta values ('deliveries_listed', 1)";
const DELIVERED: &str = "insert into main.webhook_delivery values
    (1, 1, x'01', 1, x'02', 'job.succeeded', '{}', null, 3, 1, 1, 1, 0)";

const TASK: &str =
    "insert into main.scheduled_task (seq, account, id, function, scheduled_time, request_id,
    status, created_at) values (1, 1, x'07', 'f', 1, 'r', 2, 1)";
const TASK_QUEUED: &str = "insert into main.queue values (5, 1, 1, 1, 0, 1, 1, 0, 0, null)";

pub(super) const CHANGED: &[Case] = &[
        (&[TASK], "a scheduled task that is lost, not over and not in the queue: task 07"),
        (&[TASK, "update main.scheduled_task set status = 3"], "a scheduled task that is lost"),
        (
            &[TASK, "update main.scheduled_task set status = 3, job = 1"],
            "a scheduled task that waits for a job that is over or does not exist: task 07",
        ),
        (
            &[TASK, "update main.scheduled_task set held = 1, schedule = 7"],
            "waits for an earlier one of its schedule, and there is none: task 07",
        ),
        (&[TASK_QUEUED], "for a scheduled task that is over, held or does not exist: subject 1"),
        (
            &[TASK, TASK_QUEUED, "update main.scheduled_task set status = 4, finished_at = 1"],
            "for a scheduled task that is over, held or does not exist: subject 1",
        ),

        (&["delete from main.balance"], "has no balance"),
        (&["update main.balance set paid = paid + 1"], "not the sum of its entries"),
        (&["update main.balance set reserved_paid = 31"], "has set aside another amount"),
        (&["update main.balance set entries = 4"], "not numbered from 1 without gaps"),
        (&[UNLOCK_ALL, "delete from main.ledger where n = 2"], "1 to 5, the balance counts 5"),
        (&[UNLOCK, "update main.ledger set balance_after = 0 where n = 4"], "entry 4 says 0"),
        (&[UNLOCK, "update main.ledger set delta = 20 where n = 4"], "entry 4 is a charge of 20"),
        (&[UNLOCK, "update main.ledger set round = 2 where n = 5"], "round 2, the job is in 1"),
        (&[UNLOCK, "update main.ledger set n = 4 where n = 5"], "1 to 4, the balance counts 5"),
        (&["update main.job set reserved_paid = 29 where seq = 2"], "another reservation than"),
        (
            &[UNLOCK_ALL, "delete from main.ledger where n = 5"],
            "has no reservation though its row says so: free 0 and paid 30",
        ),
        (
            &["insert into main.ledger values (6, 1, 6, 'release', 'paid', 30, 980, 2, 1, 1, null,
               null, null, null, null, 1, 0)"],
            "is not over, and yet its reservation was resolved",
        ),
        (&[UNLOCK, "update main.ledger set delta = 29 where n = 3"], "did not come back exactly"),
        (&["update main.job_result set charged = 19"], "charges other than its result says"),
        (
            &[UNLOCK_ALL, "delete from main.ledger where n = 4"],
            "says it was charged, and no charge: 20",
        ),
        (&["update main.balance set open_jobs = 7"], "another number of open jobs than its queue"),
        (&["delete from main.job_result"], "over without a result, or has one and is not over: status 4"),
        (&["update main.job_result set job = 2"], "without a result, or has one and is not over: status 2"),
        (&["delete from main.queue"], "is lost: it is not over and not in the queue: status 2"),
        (&["update main.queue set subject = 9"], "a job that is over or does not exist: subject 9"),
        (&["update main.queue set subject = 1"], "a job that is over or does not exist: subject 1"),
        (&["update main.batch set running = 1"], "whose counts are not those of its jobs"),
        (&["update main.batch set finished_at = 1"], "whose counts are not those of its jobs"),
        (&["update main.job set status = 3 where seq = 2"], "whose counts are not those of its"),
        (&["update main.job set batch = 1 where seq = 1"], "counts 1 jobs, there are 2"),
        (&["delete from main.batch"], "counts 0 jobs, there are 1"),
        (&["delete from main.batch_item"], "1 jobs has 0 requests, 0 of which are its jobs"),
        (&["update main.batch_item set job = 1"], "1 jobs has 1 requests, 0 of which are its"),
        (&["update main.credit_grant set amount = 1001"], "a grant that is not what its entries"),
        (&["update main.credit_grant set remaining = 981"], "a grant that is not what its entries"),
        (&["update main.spending set charged = 19"], "says 19 charged and 30 reserved"),
        (&["update main.spending set reserved = 29"], "the jobs 20 and 30"),
        (&["delete from main.spending"], "says 0 charged and 0 reserved"),
        (&["delete from main.credit_grant"], "an entry of a grant that does not exist: entry 1"),
        (&[UNLOCK, "update main.ledger set grant_id = null where n = 1"], "not exist: entry 1"),
        (
            &["insert into main.ledger values (6, 1, 6, 'expire', 'paid', -10, 940, null, null, 0, null,
               null, null, null, null, 1, 0)"],
            "an entry of a grant that does not exist: entry 6",
        ),
        (
            &["insert into main.ledger values (6, 1, 6, 'adjust', 'paid', 10, 960, null, null, 0, null,
               null, null, null, null, 1, 0)"],
            "an entry of a grant that does not exist: entry 6",
        ),
    ];

/// The first job is gone, the books are those of a canceled one.
pub(super) const GONE: &[Case] = &[
    (
        &["insert into main.ledger values (5, 1, 5, 'charge', 'paid', -1, 969, 1, 1, 0, null, 1, null, null, null,
           1, 0)"],
        "has entries of a job that does not exist: number 1",
    ),
    (&[UNLOCK, "update main.ledger set delta = 29 where n = 3"], "does not exist: number 1"),
    (&[UNLOCK, "update main.ledger set delta = -31 where n = 2"], "does not exist: number 1"),
    (&[UNLOCK_ALL, "delete from main.ledger where n = 2"], "does not exist: number 1"),
    (&[UNLOCK_ALL, "delete from main.ledger where n = 3"], "does not exist: number 1"),
    (&[UNLOCK, "update main.ledger set kind = 'adjust' where n = 3"], "does not exist: number 1"),
    (&[UNLOCK, "update main.ledger set round = 2 where n = 3"], "does not exist: number 1"),
    (&[TWIN, UNLOCK, "update main.ledger set account = 2 where n = 3"], "not exist: number 1"),
    (&[UNLOCK, "update main.ledger set round = 2 where n = 2"], "does not exist: number 1"),
    (&[UNLOCK_NEWEST, "delete from main.job where seq = 2"], "does not exist: number 1"),
    (&["delete from main.removed_job"], "does not exist: number 1"),
    (&[TWIN, "update main.removed_job set account = 2"], "does not exist: number 1"),
    (&["insert into main.removed_job values (2, 1, x'02', 1)"], "was removed, and is there: number 2"),
    // A day on which nothing was removed yet.
    (
        &["insert into main.usage_tail (seq, account, day, outcome, spending, model) values (9, 1, 5, 4, 1, 'm')"],
        "on 1970-01-06 it counts 0 that failed and 1 that were canceled, there are 0 and 0",
    ),
];

pub(super) const PRICED: &[Case] = &[
    (&[UNLOCK, "update main.ledger set price = 9 where n = 4"], "charge at another price of m"),
    (&[UNLOCK, "update main.ledger set price = null where n = 4"], "charge at another price"),
    (
        &[NEXT_PRICE, UNLOCK, "update main.ledger set price = 2 where n = 4"],
        "has a charge at another price of m than it was accepted with",
    ),
    (
        &["update main.job_result set model = 'x'"],
        "has a charge of 20, and x, which answered, had no price that is recorded",
    ),
    (
        &["update main.job_result set completion_tokens = 21"],
        "has a charge of 20, and its tokens cost 21 at its price of m",
    ),
    (
        &["update main.job_result set prompt_tokens = null"],
        "has a charge of 20, and no tokens that cost anything at all",
    ),
    (
        &[UNLOCK_PRICES, "update main.price set minimum_charge = 22"],
        "has a charge of 20, and its tokens cost 22 at its price of m",
    ),
    (
        &[UNLOCK_PRICES, "update main.price set free = 1"],
        "has a charge of 20, and its tokens cost 0 at its price of m",
    ),
];

pub(super) const CONSISTENT: &[Case] = &[
        (
            &[
                "insert into main.ledger values (6, 1, 6, 'reserve', 'paid', -30, 920, 99, 1, 1, null, null,
                   null, null, null, 1, 0)",
                "update main.balance set paid = 920, reserved_paid = 60, entries = 6",
            ],
            "has entries of a job that does not exist: number 99",
        ),
        (
            &["update main.credit_grant set debt = debt + 10, remaining = remaining - 10"],
            "has other credits than its grants leave: free 0 and paid 980, by grants 0 and 980, of which are \
             left 0 and 970",
        ),
        (
            &[
                UNLOCK,
                "update main.ledger set grant_id = null where n = 4",
                "update main.credit_grant set remaining = 1000",
            ],
            "of which are left 0 and 1000",
        ),
        (
            &[
                UNLOCK_ALL,
                UNLOCK,
                "delete from main.ledger where n = 4",
                "update main.ledger set n = 4, balance_after = 970 where n = 5",
                "update main.balance set paid = 970, entries = 4",
                "update main.credit_grant set remaining = 1000",
                "update main.job_result set charged = 0",
                "update main.spending set charged = 0",
                "update main.end_user set charged = 0",
                "update main.end_user_day set charged = 0",
            ],
            "has a charge of 0, and its tokens cost 20 at its price of m",
        ),
        (&["update main.spending set month = 202611"], "row 1 of 202611 says 20 charged"),
        (&["update main.spending set key_told = 7"], "counts another spending than its jobs"),
        (&["update main.spending set project_told = 7"], "counts another spending than its jobs"),
        (&[TWIN, "update main.spending set account = 2"], "counts another spending than its jobs"),
        (&[TWIN, "update main.job set account = 2 where seq = 1"], "counts another spending than its jobs"),
        (&[TWIN, "update main.job set account = 2 where seq = 2"], "counts another spending than its jobs"),
    ];

pub(super) const OF_END_USERS: &[Case] = &[
    (&["update main.end_user set open_tokens = 99"], "has 99 tokens in flight, and 1 jobs"),
    (&["update main.end_user set jobs = 2"], "figures are not those of its jobs"),
    (&["update main.end_user set tokens = 21"], "jobs with 21 tokens for 20, by its jobs 100"),
    (&["update main.end_user set charged = 21"], "tokens for 21, by days 1 with 20 for 20"),
    (&["update main.end_user set external_id = 'v'"], "one that does not exist has 0 tokens"),
    (&["update main.job set token_bound = 1 where seq = 2"], "by its jobs 1, and 1 with 20"),
    (&["update main.end_user_day set tokens = 6"], "by days 1 with 6 for 20"),
    (&["update main.end_user_day set charged = 19"], "by days 1 with 20 for 19"),
    (&["update main.end_user_day set jobs = 2"], "by days 2 with 20 for 20"),
    (&["update main.end_user_day set end_user = 9"], "exist has 0 jobs with 0 tokens for 0"),
];

pub(super) const OF_LISTS: &[Case] = &[
    (
        &["update main.job set listed = 1 where seq = 2"],
        "its row 2 of job is listed, the list is made up to 0",
    ),
    (&[JOBS_LISTED], "its row 1 of job is not listed, the list is made up to 1"),
    (
        &["update main.ledger set listed = 1 where n = 5"],
        "its row 5 of ledger is listed, the list is made up to 0",
    ),
    (&[LEDGER_LISTED], "its row 1 of ledger is not listed, the list is made up to 1"),
    (
        &[DELIVERED, "update main.webhook_delivery set listed = 1"],
        "its row 1 of webhook_delivery is listed, the list is made up to 0",
    ),
    (
        &[DELIVERED, DELIVERIES_LISTED],
        "its row 1 of webhook_delivery is not listed, the list is made up to 1",
    ),
];

pub(super) const OF_ENVIRONMENTS: &[Case] = &[
    (&["delete from main.project"], "is not in the environment of its project: there is none"),
    (&["update main.project set environment = 'test'"], "the environment of its project: test"),
    (&[FOR_TESTS], "is not in the environment of its project: live"),
    (&[FOR_TESTS], " (test), job "),
    (
        &[FOR_TESTS, "update main.job_result set provider = 'openai'"],
        "is for tests, and yet it was run by openai",
    ),
];

/// What would mend it, where that depends on the rows.
pub(super) const REPAIRS: &[Case] = &[
    (&["update main.balance set entries = 4"], "let the balance count 5 entries"),
    (
        &[UNLOCK_ALL, "delete from main.ledger where n = 2"],
        "restore a backup: entries of an append-only ledger were removed or renumbered",
    ),
    (&["update main.balance set open_jobs = 7"], "let the balance count 1 open jobs"),
    (
        &["update main.credit_grant set amount = 1001"],
        "restore a backup: the grant is not the one that was given",
    ),
    (&["update main.credit_grant set remaining = 979"], "let 980 be left of the grant"),
    (&["update main.credit_grant set debt = 10"], "let 970 be left of the grant"),
    (
        &["insert into main.ledger values (6, 1, 6, 'release', 'paid', 30, 980, 2, 1, 1, null,
           null, null, null, null, 1, 0)"],
        "end the job as failed, take it out of the queue, and correct what its entries do not undo by an adjustment",
    ),
    (
        &["update main.job_result set charged = 19"],
        "correct the difference by an adjustment: entries never change",
    ),
    (
        &[UNLOCK, "update main.ledger set job = 99 where n = 5"],
        "restore a backup: a job is removed only once it gave back all that was set aside for it, uncharged",
    ),
    (
        &[UNLOCK_ALL, "delete from main.ledger where n = 4"],
        "charge 20 by an adjustment, or restore a backup: its entry was removed",
    ),
    (&["delete from main.job_result"], "write a result that says that it was lost"),
    (&["update main.job_result set job = 2"], "remove the result"),
    (
        &[UNLOCK, "update main.ledger set price = 9 where n = 4"],
        "compute it by price 1, and adjust the balance by the difference",
    ),
    (&["update main.job_result set completion_tokens = 21"], "adjust the balance by -1"),
    (&["update main.job_result set completion_tokens = 15"], "adjust the balance by 5"),
    (&[UNLOCK_PRICES, "update main.price set minimum_charge = 22"], "adjust the balance by -2"),
    (&[UNLOCK_PRICES, "update main.price set free = 1"], "adjust the balance by 20"),
    (&["update main.job_result set prompt_tokens = null"], "restore a backup: the tokens are gone"),
];

/// The job that succeeded is still to be counted.
pub(super) const OF_USAGE: &[Case] = &[
    (
        &["update main.usage_tail set charged = 19"],
        "usage is not that of its ledger: on 1970-01-01 it counts charges of 19, the ledger has 20",
    ),
    (&["delete from main.usage_tail"], "it counts charges of 0, the ledger has 20"),
    (
        &["update main.usage_tail set day = 1"],
        "on 1970-01-02 it counts charges of 20, the ledger has 0",
    ),
    (
        &["update main.usage_tail set completion_tokens = 21"],
        "it counts 1 jobs that succeeded with 0 and 21 tokens, there are 1 with 0 and 20",
    ),
    (
        &[
            "insert into main.usage_tail (seq, account, day, outcome, spending, model) values (2, 1, 0, 4, 1, 'm')",
        ],
        "it counts 0 that failed and 1 that were canceled, there are 0 and 0",
    ),
    (
        &["insert into main.job_event values (2, 7, 1, 'expired', null, 1)"],
        "it counts 0 that failed and 0 that were canceled, there are 1 and 0",
    ),
    (
        &["insert into main.usage_day values (1, 3, 0, x'6d', 0, 1, 0, 0, 0, 0, 0, x'')"],
        "whose usage by group is not that of all: on 1970-01-01",
    ),
    (
        &[
            "insert into main.meta values ('usage_by_user_since', 1)",
            "insert into main.usage_day values (1, 7, 0, x'6d', 0, 1, 0, 0, 0, 0, 0, x'')",
            "insert into main.usage_day values (1, 3, 0, x'6d', 0, 1, 0, 0, 0, 0, 0, x'')",
        ],
        "on 1970-01-01 there are 1 of 5 groups",
    ),
    (
        &["insert into main.usage_day values (1, 2, 0, x'', 1, 0, 0, 0, 0, 0, 0, x'')"],
        "whose histogram of latencies has 0 jobs, and 1 succeeded: 1970-01-01",
    ),
    (
        &["insert into main.usage_day values (1, 8, 0, x'', 1, 0, 0, 0, 0, 0, 0, x'00')"],
        "whose histogram of latencies cannot be read, and 0 succeeded",
    ),
];

//! How agents are judged: by evals, and by what their jobs come to over time.

mod drift;
mod judging;
mod runs;

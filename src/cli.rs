//! The command line: one file per command, each with its arguments and a `run` that says how it went.
//!
//! Commands open the database themselves, so they work while a server runs and while none does; a
//! running server sees their effect within a second. Results go to standard output, as one JSON
//! object with `--json`; everything else goes to standard error.

mod account;
mod backup;
mod credits;
mod demo;
mod dlq;
mod evidence;
mod init;
mod key;
mod ledger;
mod local;
mod migrate;
mod serve;
mod user;

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
    sync::Arc,
};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde::Serialize;

use crate::{
    ambient::Ambient,
    app::sign_in,
    config::{Config, ConfigError, Log},
    domain, http,
    observe::{
        logs,
        origin::{self, Origin},
    },
    server::Server,
};

/// A command did what it was told.
const DONE: ExitCode = ExitCode::SUCCESS;
/// It could not.
const FAILED: u8 = 1;
/// It was told something that makes no sense.
const USAGE: u8 = 2;

/// Self-hosted AI job platform: one binary, one SQLite file.
#[derive(Parser)]
#[command(name = "skai-server", version, max_term_width = 100)]
struct Cli {
    /// The configuration file; without it the embedded defaults hold
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT (the default)
    Serve,
    /// Write a commented configuration file and make the data folder
    Init,
    /// Show the main job end to end on a server of its own: job, ledger, webhook
    Demo(demo::Demo),
    /// Accounts of tenants
    #[command(subcommand)]
    Account(account::Account),
    /// API keys of an account
    #[command(subcommand)]
    Key(key::Key),
    /// People who sign in on the dashboard
    #[command(subcommand)]
    User(user::User),
    /// Credits of an account
    #[command(subcommand)]
    Credits(credits::Credits),
    /// Work that its queue gave up on
    #[command(subcommand)]
    Dlq(dlq::Dlq),
    /// The credits ledger
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Copy the database and the key of its secrets into a new folder, also while a server runs
    Backup(backup::Backup),
    /// Fill an empty data folder from a backup
    Restore(backup::Restore),
    /// Bring the database to this program's schema
    Migrate(migrate::Migrate),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document
    Openapi,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check the configuration and print the one in force, with secrets hidden
    Check,
}

/// What most commands take.
#[derive(Args, Clone, Copy)]
struct Output {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Output {
    /// Prints the object, or else the text.
    fn print(self, object: &impl Serialize, text: &str) -> io::Result<()> {
        if self.json { say(&serde_json::to_string(object)?) } else { say(text) }
    }
}

/// Takes one of these names, which the help shows.
fn one_of<T>(names: [&'static str; 2]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// Prints the link by which the first person comes in, while nobody can: a new one at every start, and the ones before
/// are void. It stands nowhere else, not in the log either.
fn say_setup(server: &Server) -> anyhow::Result<()> {
    let app = server.app();
    if let Some(token) = sign_in::new_setup_link(app)? {
        let url = sign_in::link_url(app, &format!("http://{}", server.address()), &token);
        say(&format!("setup: open {}", url.expose()))?;
    }
    Ok(())
}

/// Prints a line to standard output.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Parses the arguments, runs the command and gives the process's exit code.
pub fn run() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(code) => code,
        // Whoever read the output wants no more of it.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(FAILED),
        Err(error) => {
            // Where standard error is closed there is nobody to tell.
            let _told = writeln!(io::stderr(), "skai-server: {}", explain(&error));
            ExitCode::from(if is_usage(&error) { USAGE } else { FAILED })
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let command = cli.command.unwrap_or(Command::Serve);
    let file = cli.config;
    if let Command::Init = command {
        return init::run(file);
    }
    if let Command::Openapi = command {
        say(&serde_json::to_string_pretty(&http::openapi())?)?;
        return Ok(DONE);
    }
    let config = load(file.as_deref())?;
    let ambient = Ambient::system();
    let is_server = matches!(command, Command::Serve);
    log(&config.log, is_server, &ambient)?;
    // What a command changes, whoever has the machine changes.
    let origin = (!is_server).then(|| Arc::new(Origin::operator()));
    origin::within(origin, || run_command(command, file, config, ambient))
}

fn run_command(
    command: Command,
    file: Option<PathBuf>,
    config: Config,
    ambient: Ambient,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve => {
            let again = move |running: &Config| running.load_again(file.as_deref(), environment());
            serve::run(config, &ambient, Box::new(again))
        }
        Command::Demo(demo) => demo.run(config, &ambient),
        Command::Account(account) => account.run(&config, ambient),
        Command::Key(key) => key.run(&config, ambient),
        Command::User(user) => user.run(&config, ambient),
        Command::Credits(credits) => credits.run(&config, ambient),
        Command::Dlq(dlq) => dlq.run(&config, ambient),
        Command::Ledger(ledger) => ledger.run(&config, ambient),
        Command::Backup(backup) => backup.run(&config),
        Command::Restore(restore) => restore.run(&config),
        Command::Migrate(migrate) => migrate.run(&config, &ambient),
        Command::Config(ConfigCommand::Check) => {
            say(config.effective_toml().trim_end())?;
            Ok(DONE)
        }
        // Both were answered before, where no configuration is needed.
        Command::Init | Command::Openapi => Ok(DONE),
    }
}

fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    Config::load(file, environment())
}

/// The variables of this process. Names and values that are not UTF-8 are nobody's settings.
fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// A server logs as configured, commands only what is wrong.
fn log(settings: &Log, is_server: bool, ambient: &Ambient) -> anyhow::Result<()> {
    let mut settings = settings.clone();
    if !is_server {
        "warn".clone_into(&mut settings.level);
    }
    // https://no-color.org
    let coloured = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let ambient = ambient.clone();
    logs::install(&settings, coloured, Box::new(move || ambient.now()))?;
    Ok(())
}

/// The error and its causes on one line. What deeds refuse is told as clients are told it.
fn explain(error: &anyhow::Error) -> String {
    let one =
        |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<domain::Error>() {
            Some(refusal) => refusal.message().to_owned(),
            None => cause.to_string(),
        };
    let mut causes: Vec<String> = error.chain().map(one).collect();
    causes.dedup();
    causes.join(": ")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<ConfigError>()
        || error.downcast_ref::<domain::Error>().is_some_and(|refusal| {
            matches!(
                refusal.kind(),
                domain::ErrorKind::InvalidRequest | domain::ErrorKind::InsufficientScope
            )
        })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_themselves() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_name_each_cause_once() {
        let error = domain::Error::invalid("name", "name is too long");
        let error = anyhow::Error::from(error).context("no account was made");
        assert_eq!(explain(&error), "no account was made: name is too long");
    }
}

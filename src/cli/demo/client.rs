//! A client of the API, over real HTTP.

use std::{
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    time::Duration,
};

use anyhow::bail;
use serde_json::Value;
use ureq::Agent;

/// The longest that one request may take.
const TIMEOUT: Duration = Duration::from_mins(1);

pub(super) struct Client {
    agent: Agent,
    base: String,
    authorization: String,
}

impl Client {
    pub(super) fn new(address: SocketAddr, key: &str) -> Self {
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Self {
            agent: config.into(),
            base: format!("http://{address}"),
            authorization: format!("Bearer {key}"),
        }
    }

    /// Sends JSON; gives the status and the JSON that comes back.
    pub(super) fn post(
        &self,
        path: &str,
        body: &Value,
        idempotency_key: &str,
    ) -> anyhow::Result<(u16, Value)> {
        let mut answer = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .header("idempotency-key", idempotency_key)
            .send(body.to_string())?;
        let text = answer.body_mut().read_to_string()?;
        Ok((answer.status().as_u16(), serde_json::from_str(&text)?))
    }

    /// The body of a 200.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<String> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let mut answer = request.header("authorization", &self.authorization).call()?;
        let text = answer.body_mut().read_to_string()?;
        match answer.status().as_u16() {
            200 => Ok(text),
            status => bail!("GET {path} → {status}: {text}"),
        }
    }

    /// Reads an event stream to its end; hands over the name and data of each event as it comes.
    pub(super) fn follow(
        &self,
        path: &str,
        mut each: impl FnMut(&str, &str) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let request = request.header("authorization", &self.authorization);
        let answer = request.header("accept", "text/event-stream").call()?;
        if answer.status().as_u16() != 200 {
            bail!("GET {path} → {}", answer.status());
        }
        let (mut name, mut data) = (String::new(), String::new());
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line?;
            match line.split_once(':') {
                Some(("event", value)) => value.trim_start().clone_into(&mut name),
                Some(("data", value)) => data.push_str(value.trim_start()),
                None if line.is_empty() && !data.is_empty() => {
                    each(&name, &data)?;
                    name.clear();
                    data.clear();
                }
                _ => {}
            }
        }
        Ok(())
    }
}

//! People who sign in on the dashboard, as browsers do.

use serde_json::{Value, json};

use super::{
    Client,
    client::Reply,
    server::{Account, TestServer},
};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse";

/// Somebody who signed in.
pub(crate) struct Person {
    pub(crate) email: String,
    /// Name and value of the cookie.
    pub(crate) cookie: String,
    /// `GET /dashboard/api/session`, when it began.
    pub(crate) session: Value,
}

/// A page of the server's own, without a cookie.
pub(crate) fn page(server: &TestServer) -> Client {
    server.client().with_header("Sec-Fetch-Site", "same-origin")
}

/// The token of a link.
pub(crate) fn token(url: &Value) -> String {
    url.as_str().unwrap().split('#').nth(1).unwrap().to_owned()
}

/// The name and the value of the cookie that a reply sets.
pub(crate) fn cookie(reply: &Reply) -> String {
    let set = reply.header("set-cookie").expect("the reply sets a cookie");
    set.split(';').next().unwrap().to_owned()
}

impl Person {
    /// An owner of the account.
    #[track_caller]
    pub(crate) fn owner(server: &TestServer, account: &Account) -> Self {
        Self::member(server, account, "owner")
    }

    /// Somebody whom the account's key invited as that, and who came.
    #[track_caller]
    pub(crate) fn member(server: &TestServer, account: &Account, role: &str) -> Self {
        let email = format!("{role}@{}.example", skai_server::ambient::Ambient::system().uuid());
        let body = json!({"email": email, "role": role});
        let invited = account.client.post("/v1/users", &body).expect(201).json();
        Self::accept(server, &token(&invited["invite_url"]), &json!({}))
    }

    /// Who uses a link.
    #[track_caller]
    pub(crate) fn accept(server: &TestServer, token: &str, more: &Value) -> Self {
        let mut body = json!({"token": token, "password": PASSWORD});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let begun = page(server).post("/dashboard/api/links/accept", &body).expect(201);
        Self::of(&begun)
    }

    /// Who was just let in.
    pub(crate) fn of(begun: &Reply) -> Self {
        let session = begun.json();
        let email = session["user"]["email"].as_str().unwrap().to_owned();
        Self { email, cookie: cookie(begun), session }
    }

    /// The person's browser, on a page of the server's.
    pub(crate) fn client(&self, server: &TestServer) -> Client {
        page(server).with_header("Cookie", &self.cookie)
    }

    /// Another browser of the person's.
    #[track_caller]
    pub(crate) fn sign_in(&self, server: &TestServer) -> Client {
        let body = json!({"email": self.email, "password": PASSWORD});
        let begun = page(server).post("/dashboard/api/sign-in", &body).expect(201);
        Self::of(&begun).client(server)
    }
}

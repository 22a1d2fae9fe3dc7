//! HTTP answers and certificates.
//!
//! Owns: these looks, by `curl` and `openssl` of whoever asks. Must not: follow a redirect, or take a server for good that cannot
//! prove who it is.

use jiff::civil::DateTime;

use super::Asked;
use super::range::{number, shown};
use super::said::{Said, short};
use super::verdict::Found;
use crate::http::Url;
use crate::runbook::expr::quote::sh_word as quote;
use crate::runbook::expr::{Expr, Scope, Val};

/// `http`.
pub(super) fn http(asked: &Asked) -> Result<String, String> {
    let url = asked.need("url")?;
    Url::parse(url).map_err(|error| error.to_string())?;
    asked.pattern()?;
    if let Some(text) = asked.text("json") {
        Expr::parse(text).map_err(|e| format!("`json`: {}", e.message))?;
    }
    let head = if asked.text("method") == Some("HEAD") {
        " -I"
    } else {
        " -i"
    };
    Ok(format!(
        "has curl || no 'it has no `curl`'\nexec 3>&1\n\
         r=$({{ {{ curl -q -s -S -g{head} --connect-timeout 10 -m 30 --max-redirs 0 --url {} -w '\\npitstop %{{http_code}} %{{time_total}}\\n' 2>&1; echo $? >&4; }} | head -c {} | sed 's/^/| /' >&3; }} 4>&1)\n\
         echo; echo \"rc $r\"",
        quote(url),
        super::said::TEXT_MAX
    ))
}

pub(super) fn read_http(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let url = asked.need("url")?;
    let rc = said.number("rc")?;
    let lines: Vec<&str> = said.all("|").collect();
    if rc != 0.0 {
        let last = lines
            .iter()
            .rev()
            .find(|line| line.contains("curl: ("))
            .copied()
            .unwrap_or_default();
        let why = last.split_once(") ").map_or(last, |(_, why)| why);
        return match rc {
            // What curl itself cannot do is no answer of the server: bad use, no such protocol, written to a full pipe.
            1.0 | 2.0 | 3.0 | 4.0 | 23.0 | 27.0 | 63.0 => Err(format!("`curl` ended with {rc}: {}", short(why))),
            _ => Ok(Found {
                words: format!("{url} does not answer"),
                wrong: vec![format!("{url} does not answer: {}", short(why))],
                ..Found::default()
            }),
        };
    }
    let (end, body) = lines.split_last().ok_or("`curl` says nothing")?;
    let mut words = end
        .strip_prefix("pitstop ")
        .ok_or("its answer is longer than what is looked into")?
        .split(' ');
    let status = words.next().and_then(number).ok_or("`curl` says no status")?;
    let seconds = words.next().and_then(number).ok_or("`curl` says no time")?;
    let (head, body) = parts(body);
    let ms = (seconds * 1000.0).round();
    let mut found = Found {
        value: Some(ms),
        unit: "ms",
        words: format!("{url} answers {status} after {ms} ms"),
        perfdata: vec![format!("'size'={}B", body.len())],
        ..Found::default()
    };
    let mut wrong = |what: String| found.wrong.push(format!("{url} {what}"));
    let wanted = asked.number("status").unwrap_or(200.0);
    if status != wanted {
        wrong(format!("answers {status}, not {wanted}"));
    }
    if let Some(wanted) = asked.text("header") {
        let plain = |text: &str| text.to_lowercase().split_whitespace().collect::<String>();
        if !head.iter().any(|line| plain(line).contains(&plain(wanted))) {
            wrong(format!("has no header `{wanted}`"));
        }
    }
    if asked.text("contains").is_some_and(|text| !body.contains(text)) {
        wrong("does not hold the text that it must".to_owned());
    }
    if asked.pattern()?.is_some_and(|pattern| !pattern.is_match(&body)) {
        wrong("does not match its `pattern`".to_owned());
    }
    if let Some(most) = asked.number("max_ms").filter(|most| ms > *most) {
        wrong(format!("answers after {} ms, later than {most}", shown(ms)));
    }
    if let Some(text) = asked.text("json") {
        match holds(text, &body) {
            Ok(true) => {}
            Ok(false) => wrong(format!("has JSON for which `{text}` is false")),
            Err(why) => wrong(format!("has JSON for which `{text}` cannot be asked: {why}")),
        }
    }
    Ok(found)
}

fn holds(text: &str, body: &str) -> Result<bool, String> {
    let json: crate::plan::Value = serde_json::from_str::<serde_json::Value>(body)
        .map(plain)
        .map_err(|_| "it is no JSON".to_owned())?;
    let mut scope = Scope::new();
    scope.set("json", Val::said(json));
    Expr::parse(text).and_then(|e| e.truth(&scope)).map_err(|e| e.message)
}

/// What looks like one of our tagged kinds stays a map of its words.
fn plain(value: serde_json::Value) -> crate::plan::Value {
    use crate::plan::Value;
    match value {
        serde_json::Value::Null => Value::None,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(n) => n
            .as_i64()
            .map_or_else(|| Value::Number(n.as_f64().unwrap_or(f64::NAN)), Value::Int),
        serde_json::Value::String(s) => Value::Text(s),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(plain).collect()),
        serde_json::Value::Object(fields) => Value::Map(fields.into_iter().map(|(k, v)| (k, plain(v))).collect()),
    }
}

/// Head and body; answers before the last one (`100 Continue`, that of a proxy) are passed over.
fn parts<'a>(lines: &[&'a str]) -> (Vec<&'a str>, String) {
    let mut rest = lines;
    loop {
        let at = rest
            .iter()
            .position(|line| line.trim().is_empty())
            .unwrap_or(rest.len());
        let (head, tail) = rest.split_at(at);
        let tail = tail.get(1..).unwrap_or_default();
        match tail.first() {
            Some(next) if next.starts_with("HTTP/") && head.first().is_some_and(|first| first.starts_with("HTTP/")) => {
                rest = tail
            }
            _ => {
                return (
                    head.iter().skip(1).map(|line| line.trim_end()).collect(),
                    tail.join("\n"),
                );
            }
        }
    }
}

/// `tls_cert`.
pub(super) fn certificate(asked: &Asked) -> Result<String, String> {
    let take = match (asked.text("address"), asked.text("file")) {
        (Some(_), None) => {
            let address = asked.word("address")?;
            let (host, port) = address
                .rsplit_once(':')
                .ok_or_else(|| format!("`{address}` is no host:port"))?;
            port.parse::<u16>()
                .map_err(|_| format!("`{address}` is no host:port"))?;
            let host = host.trim_matches(['[', ']']);
            let name = match host.parse::<std::net::IpAddr>() {
                Ok(_) => String::new(),
                Err(_) => format!(" -servername {}", quote(host)),
            };
            format!(
                "c=$(within 15 openssl s_client -connect {}{name} </dev/null 2>/dev/null)",
                quote(address)
            )
        }
        (None, Some(_)) => {
            let path = quote(asked.word("file")?);
            format!("[ -r {path} ] || no {path} cannot be read\nc=$(cat {path})")
        }
        _ => return Err("`tls_cert` needs an `address` or a `file`, and not both".to_owned()),
    };
    Ok(format!(
        "has openssl || no 'it has no `openssl`'\n{take}\n\
         x=$(echo \"$c\" | openssl x509 -noout -enddate -startdate -issuer -nameopt RFC2253 2>/dev/null)\n\
         if [ \"$x\" ]; then echo 'there yes'; echo \"$x\" | sed 's/=/ /'; echo \"$c\" | openssl x509 -noout -text 2>/dev/null | sed -n '/Subject Alternative Name/{{n;s/^ */names /p;}}'\n\
         else echo 'there no'; fi\necho \"now $(date +%s)\""
    ))
}

pub(super) fn read_certificate(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let place = asked.text("address").or(asked.text("file")).unwrap_or_default();
    if said.need("there")? == "no" {
        let why = match asked.text("address") {
            Some(address) => format!("{address} shows no certificate"),
            None => return Err(format!("{place} holds no certificate (PEM)")),
        };
        return Ok(Found {
            words: why.clone(),
            wrong: vec![why],
            ..Found::default()
        });
    }
    let moment = |word: &'static str| {
        let text = said.need(word)?;
        let at = DateTime::strptime("%b %e %H:%M:%S %Y", text.trim().trim_end_matches(" GMT"));
        let at = at.ok().and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok());
        at.map(|at| super::process::count(usize::try_from(at.timestamp().as_second()).unwrap_or(0)))
            .ok_or_else(|| format!("its `{word}` cannot be read: {}", short(text)))
    };
    let (end, begin, now) = (moment("notAfter")?, moment("notBefore")?, said.number("now")?);
    let days = ((end - now) / 86_400.0).floor();
    let mut found = Found {
        value: Some(days),
        unit: "d",
        words: format!("the certificate of {place} is good for {days} days"),
        ..Found::default()
    };
    if now > end {
        found.wrong.push(format!(
            "the certificate of {place} is out of date since {} days",
            -days
        ));
    }
    if now < begin {
        found.wrong.push(format!("the certificate of {place} is not good yet"));
    }
    if let Some(wanted) = asked.text("san") {
        let names: Vec<&str> = said
            .first("names")
            .unwrap_or_default()
            .split(", ")
            .filter_map(|name| Some(name.split_once(':')?.1))
            .collect();
        if !names.iter().any(|name| covers(name, wanted)) {
            found.wrong.push(format!(
                "the certificate of {place} is for {}, not for {wanted}",
                names.join(", ")
            ));
        }
    }
    if let Some(wanted) = asked.text("issuer") {
        let issuer = said.need("issuer")?;
        if !issuer.contains(wanted) {
            found
                .wrong
                .push(format!("the certificate of {place} is signed by {issuer}"));
        }
    }
    Ok(found)
}

/// `*.example.com` is for one name below it.
fn covers(name: &str, wanted: &str) -> bool {
    let (name, wanted) = (name.trim().to_lowercase(), wanted.to_lowercase());
    match (name.strip_prefix("*."), wanted.split_once('.')) {
        (Some(parent), Some((_, rest))) => parent == rest,
        _ => name == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};

    const ANSWER: &str = "| HTTP/1.1 100 Continue\r\n| \r\n| HTTP/1.1 200 OK\r\n| Content-Type:  application/json\r\n| \r\n| {\"status\": \"up\",\n|  \"n\": 3}\n| pitstop 200 0.0421\n\nrc 0\n";

    #[test]
    fn an_answer_is_judged_by_its_head_and_body() {
        let of = |fields: &str, said: &str| found("http", &format!("{{url: 'http://a/h'{fields}}}"), said);
        let good = of(
            ", header: 'content-type: Application/json', contains: up, pattern: 'n.*3', json: \"json.n == 3\", max_ms: 43",
            ANSWER,
        );
        assert_eq!((good.value, good.wrong.len()), (Some(42.0), 0));
        let bad = of(
            ", status: 204, header: X-A, contains: down, pattern: '^n', json: \"json.n > 3\", max_ms: 41",
            ANSWER,
        );
        assert_eq!(bad.wrong.len(), 6, "{:?}", bad.wrong);
        assert!(of(", json: \"json.status > 3\"", ANSWER).wrong[0].contains("cannot be asked"));
        let refused = "| curl: (7) Failed to connect to a port 80: Connection refused\n| pitstop 000 0.001\nrc 7\n";
        assert_eq!(
            of("", refused).wrong,
            ["http://a/h does not answer: Failed to connect to a port 80: Connection refused"]
        );
        let lost = |said: &str| unknown("http", "{url: 'http://a/h'}", said);
        assert!(lost("| HTTP/1.1 200 OK\n| \n| xxxx\nrc 0\n").contains("longer"));
        assert!(lost("rc 2\n").contains("ended with 2"));
        assert!(lost("unknown it has no `curl`\n").contains("curl"));
        for fields in ["{url: 'ftp://a'}", "{url: '-o/etc/x'}", "{url: 'http://a', json: '(('}"] {
            assert!(asked("http", fields).is_err(), "{fields}");
        }
    }

    #[test]
    fn a_certificate_is_good_for_so_many_days() {
        let said = "there yes\nnotAfter Nov 23 18:40:00 2026 GMT\nnotBefore Jan  1 00:00:00 2026 GMT\nissuer CN=Lab CA,O=Lab\nnames DNS:a.example, DNS:*.b.example, IP Address:10.0.0.1\nnow 1794595200\n";
        let of = |fields: &str, said: &str| found("tls_cert", fields, said);
        let good = of("{address: 'a:443', san: x.b.example, issuer: Lab CA}", said);
        assert_eq!((good.value, good.wrong.len()), (Some(10.0), 0));
        let bad = of("{address: 'a:443', san: x.y.b.example, issuer: Other}", said);
        assert_eq!(bad.wrong.len(), 2);
        assert!(of("{file: /c, san: 10.0.0.1}", said).wrong.is_empty());
        let over = said.replace("now 1794595200", "now 1795460000");
        assert_eq!(
            of("{file: /c}", &over).wrong,
            ["the certificate of /c is out of date since 1 days"]
        );
        assert_eq!(
            of("{address: 'a:443'}", "there no\nnow 1\n").wrong,
            ["a:443 shows no certificate"]
        );
        assert!(unknown("tls_cert", "{file: /c}", "there no\nnow 1\n").contains("no certificate"));
        assert!(unknown("tls_cert", "{file: /c}", &said.replace("Nov", "XXX")).contains("notAfter"));
        for fields in ["{}", "{address: a, file: /c}", "{address: a}", "{address: 'a:x'}"] {
            assert!(asked("tls_cert", fields).is_err(), "{fields}");
        }
    }
}

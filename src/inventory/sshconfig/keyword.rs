//! Every keyword of ssh_config(5), and what becomes of it here: honoured, refused, or of no matter.
//!
//! Owns: the table. Must not: read a value.

/// What a keyword does to a connection of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    /// `Host`.
    Host,
    /// `Match`.
    Match,
    /// `Include`.
    Include,
    /// `IgnoreUnknown`.
    IgnoreUnknown,
    /// It is honoured.
    Taken(Taken),
    /// It would change where, how or as whom `ssh` connects, and is not honoured: refused for the hosts it is said for, unless
    /// its value is the harmless one. The second text is the help.
    Refused(&'static str, &'static str),
    /// It changes nothing that matters here.
    Ignored,
}

/// A keyword that is honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    AddressFamily,
    BindAddress,
    CanonicalDomains,
    CanonicalizeFallbackLocal,
    CanonicalizeHostname,
    CanonicalizeMaxDots,
    CanonicalizePermittedCnames,
    CertificateFile,
    ConnectTimeout,
    GlobalKnownHostsFile,
    HostKeyAlias,
    Hostname,
    IdentitiesOnly,
    IdentityAgent,
    IdentityFile,
    KbdInteractiveAuthentication,
    PasswordAuthentication,
    Port,
    PreferredAuthentications,
    ProxyCommand,
    ProxyJump,
    PubkeyAuthentication,
    Tag,
    User,
    UserKnownHostsFile,
}

/// What becomes of a keyword (in lower case); `None`: there is no such keyword.
pub(super) fn find(name: &str) -> Option<Keyword> {
    let known = MATTERS.iter().find(|(n, _)| *n == name).map(|(_, keyword)| *keyword);
    known.or_else(|| IGNORED.contains(&name).then_some(Keyword::Ignored))
}

/// Every keyword, for a suggestion.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MATTERS.iter().map(|(name, _)| *name).chain(IGNORED.iter().copied())
}

use Keyword::{Host, IgnoreUnknown, Include, Match, Refused, Taken as T};

const MATTERS: &[(&str, Keyword)] = &[
    ("addressfamily", T(Taken::AddressFamily)),
    ("bindaddress", T(Taken::BindAddress)),
    (
        "bindinterface",
        Refused("none", "write `BindAddress` with the interface's address"),
    ),
    ("canonicaldomains", T(Taken::CanonicalDomains)),
    ("canonicalizefallbacklocal", T(Taken::CanonicalizeFallbackLocal)),
    ("canonicalizehostname", T(Taken::CanonicalizeHostname)),
    ("canonicalizemaxdots", T(Taken::CanonicalizeMaxDots)),
    ("canonicalizepermittedcnames", T(Taken::CanonicalizePermittedCnames)),
    ("certificatefile", T(Taken::CertificateFile)),
    (
        "challengeresponseauthentication",
        T(Taken::KbdInteractiveAuthentication),
    ),
    ("connecttimeout", T(Taken::ConnectTimeout)),
    ("dsaauthentication", T(Taken::PubkeyAuthentication)),
    ("globalknownhostsfile", T(Taken::GlobalKnownHostsFile)),
    ("host", Host),
    ("hostkeyalias", T(Taken::HostKeyAlias)),
    ("hostname", T(Taken::Hostname)),
    ("identitiesonly", T(Taken::IdentitiesOnly)),
    ("identityagent", T(Taken::IdentityAgent)),
    ("identityfile", T(Taken::IdentityFile)),
    ("identityfile2", T(Taken::IdentityFile)),
    ("ignoreunknown", IgnoreUnknown),
    ("include", Include),
    ("kbdinteractiveauthentication", T(Taken::KbdInteractiveAuthentication)),
    (
        "knownhostscommand",
        Refused(
            "none",
            "no command is run to learn a host key: write the keys into a known_hosts file",
        ),
    ),
    ("match", Match),
    ("passwordauthentication", T(Taken::PasswordAuthentication)),
    ("port", T(Taken::Port)),
    ("preferredauthentications", T(Taken::PreferredAuthentications)),
    ("proxycommand", T(Taken::ProxyCommand)),
    ("proxyjump", T(Taken::ProxyJump)),
    ("pubkeyauthentication", T(Taken::PubkeyAuthentication)),
    (
        "refuseconnection",
        Refused("none", "the config says that this host is not to be connected to"),
    ),
    (
        "remotecommand",
        Refused(
            "none",
            "`ssh HOST COMMAND` refuses this too: say it for a name of its own, not for this host",
        ),
    ),
    (
        "revokedhostkeys",
        Refused(
            "none",
            "write the revoked keys as `@revoked` lines into a known_hosts file",
        ),
    ),
    (
        "sessiontype",
        Refused(
            "default",
            "pitstop sends commands: say this for a name of its own, not for this host",
        ),
    ),
    ("skeyauthentication", T(Taken::KbdInteractiveAuthentication)),
    ("tag", T(Taken::Tag)),
    ("tisauthentication", T(Taken::KbdInteractiveAuthentication)),
    ("user", T(Taken::User)),
    ("userknownhostsfile", T(Taken::UserKnownHostsFile)),
];

/// Known, and of no matter here: what an interactive session wants, forwardings, other ways to log in, which fail loudly by
/// themselves, checks of host keys that ours are stricter than, and algorithms, of which pitstop has a list of its own.
const IGNORED: &[&str] = &[
    "addkeystoagent",
    "afstokenpassing",
    "batchmode",
    "casignaturealgorithms",
    "channeltimeout",
    "checkhostip",
    "cipher",
    "ciphers",
    "clearallforwardings",
    "compression",
    "compressionlevel",
    "connectionattempts",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fallbacktorsh",
    "fingerprinthash",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "globalknownhostsfile2",
    "gssapiauthentication",
    "gssapiclientidentity",
    "gssapidelegatecredentials",
    "gssapikexalgorithms",
    "gssapikeyexchange",
    "gssapirenewalforcesrekey",
    "gssapiserveridentity",
    "gssapitrustdns",
    "hashknownhosts",
    "hostbasedacceptedalgorithms",
    "hostbasedauthentication",
    "hostbasedkeytypes",
    "hostkeyalgorithms",
    "ipqos",
    "kbdinteractivedevices",
    "keepalive",
    "kerberosauthentication",
    "kerberostgtpassing",
    "kexalgorithms",
    "localcommand",
    "localforward",
    "loglevel",
    "logverbose",
    "macs",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "permitlocalcommand",
    "permitremoteopen",
    "pkcs11provider",
    "protocol",
    "protocolkeepalives",
    "proxyusefdpass",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
    "rekeylimit",
    "remoteforward",
    "requesttty",
    "requiredrsasize",
    "rhostsauthentication",
    "rhostsrsaauthentication",
    "rsaauthentication",
    "securitykeyprovider",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "setenv",
    "setuptimeout",
    "smartcarddevice",
    "stdinnull",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "stricthostkeychecking",
    "syslogfacility",
    "tcpkeepalive",
    "tunnel",
    "tunneldevice",
    "updatehostkeys",
    "useprivilegedport",
    "userknownhostsfile2",
    "useroaming",
    "usersh",
    "verifyhostkeydns",
    "versionaddendum",
    "visualhostkey",
    "warnweakcrypto",
    "xauthlocation",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_stands_in_the_table_once() {
        let all: Vec<&str> = names().collect();
        let once: std::collections::BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), once.len());
        assert!(all.iter().all(|name| find(name).is_some()));
        assert_eq!(find("usekeychain"), None);
    }
}

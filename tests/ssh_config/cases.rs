//! Configs that people write, each with the hosts that tell it apart.

/// Files that configs include, under `@DIR@`.
pub const FILES: &[(&str, &str)] = &[
    ("inc/one.conf", "User from-one\nHost db*\n  Port 1001\n"),
    (
        "inc/two.conf",
        "Match host web*\n  HostKeyAlias two\nMatch all\n  ConnectTimeout 2\n",
    ),
    ("inc/.hidden.conf", "User hidden\n"),
    ("deep/a.conf", "Include @DIR@/deep/b.conf\nPort 7001\n"),
    ("deep/b.conf", "Host web1\n  Port 7002\n"),
];

pub const GOOD: &[(&str, &[&str])] = &[
    ("", &["web1", "WEB1", "10.0.0.1", "::1", "127.1"]),
    (
        "Host web1\n  HostName 10.0.0.1\n  User anna\n  Port 2222\n",
        &["web1", "web2", "WEB1"],
    ),
    ("User first\nHost *\n  User second\n", &["web1"]),
    (
        "Host web* !web2\n  User w\nHost !web1\n  Port 1\nHost * !web1\n Port 2\n",
        &["web1", "web2", "db"],
    ),
    ("Host !web1 *\n  User x\n", &["web1", "web2"]),
    ("Host \"web1\" 'db'\n  User=q\n", &["web1", "db", "x"]),
    (
        "Host web?\nUser one\nHost web??\nUser two\nHost *eb*\nUser three\n",
        &["web1", "web22", "web", "deb"],
    ),
    ("HostName %h.example.com\n", &["web1", "Web1"]),
    ("HostName 100%%\nUser a\n", &["web1"]),
    (
        "Host web1\n HostName REAL.Example.com\nMatch host real.example.com\n User matched\nMatch originalhost web1\n Port 99\n",
        &["web1", "real.example.com"],
    ),
    (
        "Match host web1 user root\n Port 1\nMatch user ops\n Port 2\nMatch localuser root\n ConnectTimeout 3\n",
        &["web1", "db"],
    ),
    ("Match !host web1\n User u\nMatch host=web1\n User v\n", &["web1", "db"]),
    ("Match host \"web1,db*\"\n User u\n", &["web1", "db7", "x"]),
    (
        "Match host web1,!web*\n User u\nMatch host *,!db\n User v\n",
        &["web1", "db", "x"],
    ),
    ("Match all\n User u\nMatch canonical all\n Port 5\n", &["web1"]),
    (
        "Match final\n User late\nHost web1\n HostName real\nMatch final host real\n Port 44\n",
        &["web1", "db"],
    ),
    ("Match final all\n User late\nUser early\n", &["web1"]),
    (
        "Host web1\n HostName real\nMatch host real\n User r\nHost real\n Port 5\nMatch final\n ConnectTimeout 9\n",
        &["web1", "real"],
    ),
    (
        "CanonicalizeHostname yes\nHost web1\n HostName real\nHost real\n User again\n",
        &["web1", "real", "a.b.c"],
    ),
    (
        "CanonicalizeHostname always\nCanonicalDomains none\nMatch canonical\n User c\n",
        &["web1", "10.0.0.1"],
    ),
    (
        "CanonicalizeHostname yes\nCanonicalDomains example.com\nProxyJump j\n",
        &["web1"],
    ),
    (
        "CanonicalizeHostname yes\nCanonicalDomains example.com\nCanonicalizeMaxDots 0\n",
        &["web1.x", "10.0.0.1"],
    ),
    ("CanonicalizePermittedCNAMEs none\n", &["web1"]),
    (
        "IdentityFile /k/a\nIdentityFile ~/.ssh/b\nIdentityFile /k/a\nHost *\nIdentityFile \"/k/c d\"\n",
        &["web1"],
    ),
    ("IdentityFile none\n", &["web1"]),
    ("IdentityFile none\nIdentityFile /k/a\nIdentitiesOnly yes\n", &["web1"]),
    ("IdentityFile2 /k/old\nDSAAuthentication no\n", &["web1"]),
    (
        "CertificateFile /k/a-cert.pub\nCertificateFile ~/b-cert.pub\n",
        &["web1"],
    ),
    ("IdentityAgent none\n", &["web1"]),
    ("IdentityAgent ~/agent.sock\n", &["web1"]),
    ("IdentityAgent SSH_AUTH_SOCK\n", &["web1"]),
    ("IdentityAgent /run/%u/%i/%d/${PITSTOP_TEST}\n", &["web1"]),
    ("HostKeyAlias Prod-One\nUserKnownHostsFile /kh/%k\n", &["web1"]),
    (
        "UserKnownHostsFile /kh/%%/%C/%h/%n/%p/%r/%u/%d/%i/%k/%l/%L\nHost web1\nHostName Real\nPort 77\nUser u\n",
        &["web1", "WEB1", "db"],
    ),
    (
        "UserKnownHostsFile ~/kh ~root/kh2 /x/${PITSTOP_TEST}/y\nGlobalKnownHostsFile /a /b\n",
        &["web1"],
    ),
    ("UserKnownHostsFile none\nGlobalKnownHostsFile none\n", &["web1"]),
    (
        "UserKnownHostsFile \"/a b\"\nHost *\nUserKnownHostsFile /c\n",
        &["web1"],
    ),
    ("ProxyJump bastion\n", &["web1"]),
    ("ProxyJump anna@bastion:2222\n", &["web1"]),
    ("ProxyJump a,b@c:1,ssh://d@e:2\n", &["web1"]),
    ("ProxyJump ssh://anna@bastion:2222/\n", &["web1"]),
    ("ProxyJump [2001:db8::1]:2222\n", &["web1"]),
    (
        "Host web1\n ProxyJump none\nHost *\n ProxyJump bastion\n",
        &["web1", "web2"],
    ),
    (
        "Host web1\n ProxyCommand none\nHost *\n ProxyJump bastion\n",
        &["web1", "web2"],
    ),
    ("ProxyJump bastion # over there\nProxyCommand nc %h %p\n", &["web1"]),
    ("Host web1\n ProxyCommand nc %h %p\n", &["web1", "web2"]),
    (
        "User ops\nHostName 10.0.0.7\nProxyCommand ssh -q -W %h:%p %r@gate 2>/dev/null\nProxyJump bastion\n",
        &["web1"],
    ),
    (
        "ConnectTimeout 5\nServerAliveInterval 30\nServerAliveCountMax 2\n",
        &["web1"],
    ),
    ("ConnectTimeout 1m30s\n", &["web1"]),
    ("ConnectTimeout none\nHost *\nConnectTimeout 5\n", &["web1"]),
    ("AddressFamily inet6\nBindAddress ::1\n", &["web1"]),
    (
        "PubkeyAuthentication no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
        &["web1"],
    ),
    ("PasswordAuthentication no\n", &["web1"]),
    (
        "ChallengeResponseAuthentication no\nPasswordAuthentication no\n",
        &["web1"],
    ),
    ("Include @DIR@/inc/*.conf\nUser mine\n", &["web1", "db1"]),
    (
        "Host web*\n Include @DIR@/inc/*.conf\n Port 3\nHost *\n User x\n",
        &["web1", "db1"],
    ),
    ("Match user nobody\n Include @DIR@/inc/one.conf\n", &["db1"]),
    ("Include @DIR@/deep/a.conf @DIR@/inc/two.conf\n", &["web1", "db1"]),
    ("Include \"@DIR@/inc/one.conf\"\nInclude @DIR@/nowhere/*\n", &["db1"]),
    (
        "Include @DIR@/inc/[!t]*.conf\nInclude @DIR@/inc/t?o.conf\n",
        &["web1", "db1"],
    ),
    (
        "IgnoreUnknown UseKeychain,Foo*\nUseKeychain yes\nFooBar x\nUser u\n",
        &["web1"],
    ),
    ("IgnoreUnknown usekeychain\nHost x\nUseKeychain yes\n", &["web1"]),
    ("  # comment\n\n\t# another\nUser u # trailing\n", &["web1"]),
    ("User=u\nPort = 44\nHostName= \"h\"\n\"ConnectTimeout\" 4\n", &["web1"]),
    ("USER u\r\nPORT 44\r\n\r\nHost web1\r\n  HostKeyAlias x\r\n", &["web1"]),
    ("User u\u{c}\n", &["web1"]),
    ("User a\\\"b\nHostKeyAlias 'c d'\n", &["web1"]),
    ("User \"a'b\"\nHostKeyAlias a\\ b\n", &["web1"]),
    ("Host \"\\\"\" web1\nUser u\n", &["web1"]),
    (
        "ForwardAgent yes\nForwardX11 no\nControlMaster auto\nControlPath ~/.ssh/cm-%C\nControlPersist 10m\nSendEnv LANG LC_*\nSetEnv A=b\nRequestTTY force\nStrictHostKeyChecking no\nCompression yes\nLogLevel ERROR\nHashKnownHosts yes\nGSSAPIAuthentication yes\nTCPKeepAlive no\nLocalForward 8080 localhost:80\nUpdateHostKeys no\nVerifyHostKeyDNS ask\nCiphers aes256-ctr\nMACs hmac-sha2-256\nKexAlgorithms curve25519-sha256\nHostKeyAlgorithms ssh-ed25519\nRekeyLimit 1G 1h\nEscapeChar none\nVisualHostKey yes\nUser u\n",
        &["web1"],
    ),
    (
        "Protocol 2\nCipher x\nUsePrivilegedPort yes\nRSAAuthentication no\nUser u\n",
        &["web1"],
    ),
    (
        "SessionType default\nRemoteCommand none\nKnownHostsCommand none\nRevokedHostKeys none\nUser u\n",
        &["web1"],
    ),
    ("Host web1\n  User u\n  Host db\n  User v\n", &["web1", "db"]),
    ("Host=web1\nUser=u\nHost = db\nUser = v\n", &["web1", "db"]),
    ("HostName 127.1\n", &["web1"]),
    ("HostName 0x7f.1\nMatch host 127.*\nUser u\n", &["web1"]),
    ("HostName 2001:DB8:0:0::1\n", &["web1"]),
    ("Host 10.0.*\nUser lan\n", &["10.0.0.1", "10.1.0.1"]),
];

/// Refused by both, with our code.
pub const WRONG: &[(&str, &str)] = &[
    ("Bogus yes\n", "PS0452"),
    ("Host x\nHostNam y\n", "PS0452"),
    ("User\n", "PS0453"),
    ("User \"\"\n", "PS0453"),
    ("Host web1\nUser a b\n", "PS0453"),
    ("User \"a\n", "PS0453"),
    ("IgnoreUnknown foo\nFoo \"a\n", "PS0453"),
    ("Port 0\n", "PS0454"),
    ("Port 70000\n", "PS0454"),
    ("Host db\nPort x!\n", "PS0454"),
    ("ConnectTimeout 5x\n", "PS0454"),
    ("IdentitiesOnly maybe\n", "PS0454"),
    ("AddressFamily ipv6\n", "PS0454"),
    ("CanonicalizeHostname sometimes\n", "PS0454"),
    ("CanonicalizePermittedCNAMEs a\n", "PS0454"),
    ("CanonicalDomains -x\n", "PS0454"),
    ("UserKnownHostsFile none /a\n", "PS0454"),
    ("Match\n", "PS0453"),
    ("Match host\n", "PS0455"),
    ("Match nonsense x\n", "PS0455"),
    ("Match host web1 all user x\n", "PS0455"),
    ("Match host a user b all\n", "PS0455"),
    ("Host \"\"\n", "PS0453"),
    ("UserKnownHostsFile /x/%Z\n", "PS0460"),
    ("UserKnownHostsFile /x/${PITSTOP_NOT_SET}\n", "PS0460"),
    ("UserKnownHostsFile ~nobody-like-this/x\n", "PS0460"),
    ("IdentityAgent /x/%\n", "PS0460"),
    ("HostName %p\n", "PS0460"),
    ("ProxyJump @x\n", "PS0462"),
    ("ProxyJump a,,b\n", "PS0462"),
    ("ProxyJump ssh://a/b\n", "PS0462"),
    ("ProxyJump a:0\n", "PS0462"),
    ("Host db\nProxyJump b:x!\n", "PS0462"),
    ("Host *\nProxyJump web1\n", "PS0462"),
];

/// Taken by ssh and refused here, for the host it is said for. Each names it as `Host web1` or `originalhost web1`.
pub const REFUSED: &[(&str, &str)] = &[
    ("Match originalhost web1 exec \"exit 0\"\n User u\n", "PS0456"),
    ("Host web1\n HostName a;id\n ProxyCommand nc %h %p\n", "PS0458"),
    ("Host web1\n User $(id)\n ProxyCommand nc -l %r\n", "PS0458"),
    ("Host web1\n KnownHostsCommand /bin/keys %H\n", "PS0459"),
    ("Host web1\n RevokedHostKeys /etc/ssh/revoked\n", "PS0459"),
    ("Host web1\n RemoteCommand tmux attach\n", "PS0459"),
    ("Host web1\n SessionType none\n", "PS0459"),
    ("Host web1\n BindInterface eth0\n", "PS0459"),
    (
        "Host web1\n CanonicalizeHostname yes\n CanonicalDomains example.invalid\n",
        "PS0461",
    ),
    ("Host web1\n CanonicalizePermittedCNAMEs *:*\n", "PS0461"),
];

//! RFC 9110 section 7.2 and RFC 9112 section 3.2: who is asked.

use super::*;

#[rustfmt::skip]
pub(super) fn add(all: &mut Vec<Case>) {
    for b in controls() {
        if b != b'\t' && b != b'\n' && b != b'\r' {
            all.push(bad("9110 7.2 control byte behind the host", host(join(&[b" a", &[b]]))));
        }
        all.push(bad("9110 7.2 control byte in the host", host(join(&[b" a", &[b], b"b"]))));
    }
    all.extend([
        bad("9112 3.2 no Host", "GET / HTTP/1.1\r\n\r\n"),
        bad("9112 3.2 no Host but others", "GET / HTTP/1.1\r\nX-Host: a\r\nHosts: b\r\n\r\n"),
        bad("9112 3.2 Host in the wrong message", "GET / HTTP/1.1\r\n\r\nHost: a\r\n\r\n"),
        bad("9112 3.2 two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        bad("9112 3.2 two equal Hosts", "GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n"),
        bad("9112 3.2 two Hosts far apart", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nZ: x\r\nHost: b\r\n\r\n"),
        bad("9112 3.2 two Hosts, one empty", "GET / HTTP/1.1\r\nHost: a\r\nHost:\r\n\r\n"),
        bad("9112 3.2 two Hosts of HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        bad("9112 3.2 bad Host of HTTP/1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
        bad("9112 3.2 Host with a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        bad("9112 3.2 Host folded", "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n"),
        bad("9112 3.2 Host folded", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
    ]);
    for value in [
        // Nobody.
        "", " ", "\t", " :80", " :",
        // More than a host.
        " u@a", " u:p@a", " @a", " a@", " a@b:80", " a:80@b",
        " a/", " /a", " a/b", " a?b", " a#b", " http://a", " http://a/", " a:80/b", " a\\b",
        // More than one.
        " a,b", " a, b", " a,", " ,a", " a;b", " a b", " a\tb",
        // Ports.
        " a:b", " a:80b", " a:8 0", " a: 80", " a :80", " a:+80", " a:-80", " a:0", " a:65536", " a:99999", " a:80:80", " a:80,81",
        " a:0x50", " a:8080808080808080808080808080", " a::80", " [::1]:b", " [::1]:65536", " [::1]80",
        // Addresses.
        " [::1", " ::1]", " ::1", " fe80::1", " []", " [a]", " [1.2.3.4]", " [:::1]", " [::1]]", " [[::1]]", " [::1]x", " x[::1]",
        " [fe80::1%25eth0]", " [fe80::1%eth0]", " [v1.a]", " [1::2::3]", " [::1:]", " [12345::1]",
        // Names.
        " .", " ..", " .a", " a..b", " a..", " a%41", " a%", " %00", " a%2eb", " %61", " *", " *.a", " a*b", " \"a\"", " 'a'", " (a)", " <a>", " a!", " a$b",
        " a&b", " a+b", " a=b", " a~b", " a|b", " a^b", " {a}", " `a`", " a\u{e9}", " \u{ff41}", " a\u{ad}b", " \u{feff}a",
    ] {
        all.push(bad("9110 7.2 Host", host(value)));
    }
    all.push(bad("9110 7.2 Host too long", host(format!(" {}", "a".repeat(256)))));
}

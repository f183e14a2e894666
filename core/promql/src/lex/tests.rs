//! Tokens of whole texts.

use super::*;

fn texts(text: &str) -> Vec<String> {
    let mut log = ErrorLog::new(text);
    let mut lexer = Lexer::new(text);
    let mut out = Vec::new();
    loop {
        let token = lexer.next(&mut log);
        match token.kind {
            TokenKind::End => return out,
            TokenKind::Error => {
                out.push("error".to_owned());
                return out;
            }
            _ => out.push(token.text(text).to_owned()),
        }
    }
}

#[test]
fn texts_are_cut_into_tokens() {
    for (text, expected) in [
        ("a+b", "a|+|b"),
        ("a:b:c{x!~'y'}", "a:b:c|{|x|!~|'y'|}"),
        ("x[5m:1m]offset 1h", "x|[|5m|:|1m|]|offset|1h"),
        ("x[ step()*2 ]", "x|[|step|(|)|*|2|]"),
        ("a # b\n>=c", "a|>=|c"),
        ("x{a=\"}\" # }\n}", "x|{|a|=|\"}\"|}"),
        ("1h30m1.5e-3", "error"),
        ("1e-3<=.5", "1e-3|<=|.5"),
        ("h>/1</2", "h|>/|1|</|2"),
        ("\"é\\\"\"`\n`", "\"é\\\"\"|`\n`"),
        ("x{'a':1}", "x|{|'a'|error"),
        ("", ""),
    ] {
        assert_eq!(texts(text).join("|"), expected, "{text}");
    }
}

#[test]
fn nothing_follows_an_error() {
    let mut log = ErrorLog::new("§ x");
    let mut lexer = Lexer::new("§ x");
    let kinds = [lexer.next(&mut log).kind, lexer.next(&mut log).kind];
    assert_eq!(kinds, [TokenKind::Error; 2]);
    assert_eq!(log.into_result().unwrap_err().iter().count(), 1);
}

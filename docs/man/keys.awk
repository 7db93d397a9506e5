# awk -f keys.awk lobos.cfg lobos.cfg.5.in: the manual page, @KEYS@ being the sections, keys and
# comments of lobos.cfg in mdoc. In lobos.cfg a comment stands before the keys that it is about, and
# an empty line ends them.

# Text with each sentence on a line of its own, and nothing that mdoc takes for a request.
function sentences(text) {
    gsub(/\\/, "\\e", text)
    gsub(/[.] /, ".\n", text)
    gsub(/\n[.']/, "\n\\\\\\&", text)
    return text
}

function flush(  i) {
    if (section != "" && listed == 0 && keys > 0) {
        body = body ".Bl -tag -width Ds\n"
        listed = 1
    }
    for (i = 1; i <= keys; i++)
        body = body (i == 1 ? ".It" : " ,") " Cm \"" key[i] "\"" (i == keys ? "\n" : "")
    if (section != "" && text != "")
        body = body sentences(text) "\n"
    text = ""
    keys = 0
}

function end_section() {
    flush()
    if (listed)
        body = body ".El\n"
    listed = 0
}

FNR == NR && /^\[/ { end_section(); section = $0; body = body ".Ss " $0 "\n"; next }
FNR == NR && /^#?[a-z_]+ *=/ {
    sub(/^#/, "")
    sub(/ +$/, "")
    gsub(/"/, "\"\"")
    key[++keys] = $0
    next
}
FNR == NR && /^# / { text = text (text == "" ? "" : " ") substr($0, 3); next }
FNR == NR { flush(); next }
FNR == 1 { end_section() }
$0 == "@KEYS@" { printf "%s", body; next }
{ print }

# Out of the public headers, for tests/api/declared_test.c: each function, as a call with arguments
# out of an array and a row of a table, and the sizes and pointers among the fields of each struct.
#   awk -f declared.awk include/lrnn/*.h

{ text = text $0 "\n" }

function trim(s) { sub(/^ +/, "", s); sub(/ +$/, "", s); return s }

# type and name of a parameter or field: "const char *path" -> "const char *", "path"
function split_declaration(d) {
    d = trim(d)
    match(d, /[A-Za-z_0-9]+$/)
    name = substr(d, RSTART)
    type = trim(substr(d, 1, RSTART - 1))
}

function member_of(type) {
    return type ~ /\*/ ? "p" : type == "double" ? "d" : type == "float" ? "d" : type == "size_t" ? "n" : "i"
}

function one_function(d,    n, i, parts, call, row, first, result) {
    n = index(d, "(")
    split_declaration(substr(d, 1, n - 1))
    result = type
    function_name = name
    d = trim(substr(d, n + 1))
    sub(/\)$/, "", d)
    call = function_name "("
    n = d == "void" ? 0 : split(d, parts, ",")
    for (i = 1; i <= n; i++) {
        split_declaration(parts[i])
        if (i == 1) {
            first = type
            sub(/ \*$/, "", first)
        }
        call = call (i > 1 ? ", " : "") "(" type ")a[" (i - 1) "]." member_of(type)
        row = row "{\"" type "\", \"" name "\", " (name == "struct_size" ? "sizeof(" first ")" : "0") "}, "
    }
    call = call ")"
    calls = calls "static lrnn_status call_" function_name "(const argument *a)\n{\n    (void)a;\n    " \
        (result == "lrnn_status" ? "return " call ";\n" : "(void)" call ";\n    return LRNN_OK;\n") "}\n\n"
    if (n == 0) row = "{0}"
    rows = rows "    {\"" function_name "\", call_" function_name ", " (result == "lrnn_status") ", " n ", {" row "}},\n"
}

function one_struct(d, owner,    n, i, k, parts, names, base, count) {
    n = split(d, parts, ";")
    for (i = 1; i <= n; i++) {
        if (parts[i] ~ /[()\[]/ || parts[i] !~ /[a-z]/) continue
        count = split(parts[i], names, ",")
        split_declaration(names[1])
        base = type
        for (k = 1; k <= count; k++) {
            if (k > 1) name = trim(names[k])
            if (name == "size" || (base != "size_t" && base !~ /\*/)) continue
            fields = fields "    {\"" owner "\", \"" name "\", offsetof(" owner ", " name "), " (base == "size_t") "},\n"
        }
    }
}

END {
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", text)
    gsub(/#[^\n]*\n/, " ", text)
    gsub(/[ \n\t]+/, " ", text)
    rest = text
    while (match(rest, /LRNN_API [^;]*;/)) {
        found = substr(rest, RSTART + 9, RLENGTH - 10)
        rest = substr(rest, RSTART + RLENGTH)
        one_function(found)
    }
    rest = text
    while (match(rest, /typedef struct [a-z_]+ \{[^}]*\} [a-z_]+;/)) {
        found = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        owner = found
        sub(/^.*\} /, "", owner)
        sub(/;$/, "", owner)
        sub(/^[^{]*\{/, "", found)
        sub(/\}[^}]*$/, "", found)
        one_struct(found, owner)
    }
    printf "%sstatic const declared declarations[] = {\n%s};\n\n", calls, rows
    printf "static const declared_field declared_fields[] = {\n%s};\n", fields
}

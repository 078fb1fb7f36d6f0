#!/bin/sh
# A driver that does what a driver must not do; $BAD says what. Without it, it is a good one for a single workspace.
PATH=/usr/bin:/bin
manifest() {
    printf '{"type":"%s","displayName":"%s","description":"Misbehaves","version":"1.2.3","protocolVersions":[1],' \
        "${1:-bad}" "${2:-Bad}"
    printf '"experimental":%s,' "${3:-false}"
    printf '"capabilities":{"agents":{},"terminal":{},"cancellation":{},"status":{}},'
    printf '"workspaceSourcesPath":"/sources","workspaceHome":"/home/agent"}'
}
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
refuse() { printf '{"jsonrpc":"2.0","id":%s,"error":%s}\n' "$id" "$1"; }
step() { printf '{"jsonrpc":"2.0","method":"$/step","params":{"requestId":%s,%s}}\n' "$id" "$1"; }
log() { printf '{"jsonrpc":"2.0","method":"$/log","params":{"requestId":%s,%s}}\n' "$id" "$1"; }
instance() {
    printf '{"id":"%s","workspaceId":"%s","name":"app","state":"%s"}' "${2:-bad-1}" "${3:-$(cat "$dir/id")}" "${1:-stopped}"
}
# The value of a text member of the request, which has no escapes.
member() {
    rest=${line#*\""$1"\":\"}
    printf '%s' "${rest%%\"*}"
}
# Waits for ever, as a child would; `exec` would lose the name by which the test finds this process.
hang() { sleep 1000; }

[ "$BAD" = chatty ] && echo "Loading plugins..."
[ "$BAD" = deaf ] && trap '' TERM
while IFS= read -r line; do
    id=${line#*\"id\":}
    id=${id%%[,\}]*}
    case $BAD:$(member method) in
    wrong-type:type) answer "$(manifest other)" ;;
    wrong-type:initialize) answer "{\"protocolVersion\":1,\"manifest\":$(manifest other)}" ;;
    garbage:initialize) yes garbage | head -200 ;;
    mute:initialize) hang ;;
    escapes:initialize) dir=$(member storageDir) && mkdir -p "$dir" &&
        answer "{\"protocolVersion\":1,\"manifest\":$(manifest bad '\u001b[2J\u202eBad' true)}" ;;
    escapes:create)
        step '"event":"start","inProgress":"\u001b[31mMaking\nit","completed":"made"'
        refuse '{"code":1003,"message":"no \u001b]0;title\u0007 way","data":{"kind":"unavailable","hints":["\u001b[1mtry \u009b2J"]}}' ;;
    crash:create) echo "panic: out of luck" >&2; exit 3 ;;
    created:create) member workspaceId >"$dir/id"; answer "$(instance created)" ;;
    climbing:create) member workspaceId >"$dir/id"; answer "$(instance stopped ../../etc)" ;;
    stranger:create) answer "$(instance stopped bad-1 0000)" ;;
    deaf:create) step '"event":"start","inProgress":"Working","completed":"Worked"'; while :; do hang; done ;;
    noisy:create)
        printf 'warning: \033[31mslow\n' >&2
        step '"event":"start","inProgress":"Pulling","completed":"Pulled"'
        log '"stream":"stdout","text":"layer 1\nlayer 2\n"'
        member workspaceId >"$dir/id"
        answer "$(instance)" ;;
    quitter:initialize) dir=$(member storageDir) && mkdir -p "$dir" &&
        answer "{\"protocolVersion\":1,\"manifest\":$(manifest | sed 's/"cancellation":{},//')}" ;;
    quitter:create)
        member workspaceId >"$dir/id"
        step '"event":"start","inProgress":"Working","completed":"Worked"'
        read -r line; exit 1 ;;
    mute-list:list) hang ;;
    relative:terminal) answer '{"program":"sh","args":["-c","exit 9"]}' ;;
    busy:remove) refuse '{"code":1007,"message":"being copied","data":{"kind":"busy","hints":[]}}' ;;
    malformed:info) answer '{"id":1}' ;;
    *:type) answer "$(manifest)" ;;
    *:flags) answer '{"flags":[{"name":"bad-size","usage":"Size"},{"name":"storage","usage":"x"},{"name":"sources","usage":"Sources"},{"name":"bad-size","usage":"Again"},{"name":"--x =","usage":""}]}' ;;
    *:initialize) dir=$(member storageDir) && mkdir -p "$dir" && answer "{\"protocolVersion\":1,\"manifest\":$(manifest)}" ;;
    *:status) answer '{"state":"ready","hints":[]}' ;;
    *:listAgents) answer '{"agents":[{"name":"claude"},{"name":"aider"}]}' ;;
    *:create) member workspaceId >"$dir/id"; answer "$(instance)" ;;
    *:start) answer "$(instance running)" ;;
    *:info | *:stop) answer "$(instance)" ;;
    *:list) if [ -e "$dir/id" ]; then answer "{\"instances\":[$(instance)]}"; else answer '{"instances":[]}'; fi ;;
    *:remove) rm -f "$dir/id"; answer '{}' ;;
    *:terminal) answer '{"program":"/bin/sh","args":["-c","exit 9"]}' ;;
    *:shutdown) answer '{}' ;;
    esac
done

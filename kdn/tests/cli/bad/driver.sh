#!/bin/sh
# A driver that does what a driver must not do; $BAD says what. Without it, it is a good one for a single workspace.
PATH=/usr/bin:/bin
manifest() {
    printf '{"type":"%s","displayName":"%s","description":"Misbehaves","version":"1.2.3","protocolVersions":[1],' \
        "${1:-${0##*-}}" "${2:-Bad}"
    printf '"experimental":%s,' "${3:-false}"
    printf '"capabilities":{"agents":{},"terminal":{},"cancellation":{},"status":{}},'
    printf '"workspaceSourcesPath":"/sources","workspaceHome":"/home/agent"}'
}
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
refuse() { printf '{"jsonrpc":"2.0","id":%s,"error":%s}\n' "$id" "$1"; }
step() { printf '{"jsonrpc":"2.0","method":"$/step","params":{"requestId":%s,%s}}\n' "$id" "$1"; }
log() { printf '{"jsonrpc":"2.0","method":"$/log","params":{"requestId":%s,%s}}\n' "$id" "$1"; }
# Opens the session, with the manifest in $1 or a good one, for protocol version $2 or 1.
open() {
    dir=$(member storageDir) && mkdir -p "$dir"
    answer "{\"protocolVersion\":${2:-1},\"manifest\":${1:-$(manifest)}}"
}
# The instance with the state $1 of the workspace $3, the one that was made when there is none.
instance() {
    workspace= name=
    [ -e "$dir/id" ] && read -r workspace name <"$dir/id"
    printf '{"id":"%s","workspaceId":"%s","name":"%s","state":"%s"}' \
        "${2:-bad-1}" "${3:-$workspace}" "${4:-$name}" "${1:-stopped}"
}
# Makes the instance, so that there is something to be cleaned up.
make() { echo "$(member workspaceId) $(member name)" >"$dir/id"; }
# The value of a text member of the request, which has no escapes.
member() {
    rest=${line#*\""$1"\":\"}
    printf '%s' "${rest%%\"*}"
}
# Waits for ever, as a child would; `exec` would lose the name by which the test finds this process.
hang() { sleep 1000; }
# Leaves a process in a session of its own, with this one's stdout and stderr. It knows the test, and does not stay
# for ever.
leave_child() {
    setsid sh -c ': >"$0.child"; sleep 30; :' "$0" <&- &
    until [ -e "$0.child" ]; do sleep 0.01; done
}

case $BAD in
chatty) echo "Loading plugins..." ;;
deaf) trap '' TERM ;;
exits) exit 0 ;;
fails) echo "kdn-runtime-bad: no licence" >&2; exit 7 ;;
dies) kill -KILL $$ ;;
leaves-child) leave_child; exit 7 ;;
closes-stdout) exec >&-; hang ;;
watches)
    # In a subshell, as a redirection costs this one descriptors.
    (ls -l /proc/$$/fd >"$0.descriptors")
    {
        echo "arguments: $#"
        echo "folder: $(pwd)"
        echo "protocol: $KDN_RUNTIME_PROTOCOL"
        echo "of the user: $OF_THE_USER"
        [ "$(ps -o pgid= -p $$ | tr -d ' ')" = $$ ] && echo "leads its process group"
    } >"$0.start" ;;
floods-stderr) yes 'warning: slow' | head -c 100000000 >&2 ;;
esac
# These are there when a test wants to know.
[ -e "$0.starts" ] && echo "$BAD" >>"$0.starts"
while IFS= read -r line; do
    [ -e "$0.requests" ] && printf '%s\n' "$line" >>"$0.requests"
    id=${line#*\"id\":}
    id=${id%%[,\}]*}
    case $BAD:$(member method) in
    # What is no message.
    garbage:initialize) yes garbage | head -200 ;;
    large-frame:create) make; head -c 16777217 /dev/zero | tr '\0' x; hang ;;
    torn:create) make; answer "$(instance)" | head -c 60; exit 0 ;;
    not-utf8:create) answer "$(printf '{"id":"\377"}')"; exit 0 ;;
    batch:create) make; echo "[$(answer "$(instance)")]"; exit 0 ;;
    old-rpc:create) make; answer "$(instance)" | sed s/2.0/1.0/; exit 0 ;;
    wrong-id:create) make; id=4711; answer "$(instance)"; exit 0 ;;
    text-id:create) make; id="\"$id\""; answer "$(instance)"; exit 0 ;;
    twice:create) make; answer "$(instance)"; answer "$(instance)" ;;
    asks:create)
        printf '{"jsonrpc":"2.0","id":"mine","method":"window/ask","params":{}}\n'
        read -r reply
        case $reply in *-32601*'"id":"mine"'*) make; answer "$(instance)" ;; *) exit 1 ;; esac ;;

    # Answers that are none.
    both:create) make; printf '{"jsonrpc":"2.0","id":%s,"result":%s,"error":{"code":1,"message":"x"}}\n' "$id" "$(instance)" ;;
    neither:create) make; printf '{"jsonrpc":"2.0","id":%s}\n' "$id" ;;
    null-result:create) make; answer null ;;
    wrong-shape:create) make; answer '["made"]' ;;
    wrong-shape:initialize) open '{"type":"bad"}' ;;
    no-manifest:type) answer '{}' ;;
    text-error:create) refuse '"it broke"' ;;
    no-kind:create) refuse '{"code":-32000,"message":"it broke","data":"see above","more":1}' ;;
    unknown-code:create) refuse '{"code":4711,"message":"it broke","data":{"kind":"x-acme/broken","hints":["ask acme"]}}' ;;
    no-message:create) refuse '{"code":-32603,"message":""}' ;;
    backend:create)
        refuse '{"code":1009,"message":"build failed","data":{"kind":"backend_failed","command":{"argv":["make","\u001b[2J"],"exitCode":2,"stderrTail":"no \u202erule\nto make it\n"}}}' ;;
    malformed:info) answer '{"id":1}' ;;

    # A driver that is another, or of another time.
    wrong-type:type) answer "$(manifest other)" ;;
    wrong-type:initialize) open "$(manifest other)" ;;
    newer:initialize) refuse '{"code":1010,"message":"no protocol version in common","data":{"kind":"version_mismatch","supported":[2]}}' ;;
    other-version:initialize) open "$(manifest)" 2 ;;
    homeless:initialize) open "$(manifest | sed 's/,"workspaceHome[^}]*//')" ;;

    closes-stdin:initialize) exec <&-; open; hang ;;

    # What it says counts, whatever else it has said.
    no-terminal:initialize) open "$(manifest | sed 's/"terminal":{},//; s/Misbehaves/Behaves/')" ;;
    not-isolated:initialize) open "$(manifest | sed 's/,"workspaceSources[^}]*/,"isolated":false/')" ;;
    keeps-secrets:initialize) open "$(manifest | sed 's/"terminal":{},/&"runtimeSecrets":{},/')" ;;
    takes-secrets:initialize) open "$(manifest | sed 's/"terminal":{},/&"secretEnvironment":{},/')" ;;
    sleepy:status) answer '{"state":"sleepy","reason":"it is late","hints":["wait until tomorrow"]}' ;;
    demands:flags) answer '{"flags":[{"name":"bad-image","usage":"Image","required":true}]}' ;;

    # One that takes its time.
    mute-type:type | mute-flags:flags | mute:initialize | mute-status:status | mute-list:list | mute-shutdown:shutdown) hang ;;
    stays:shutdown) answer '{}'; trap '' TERM; while :; do hang; done ;;
    reads-nothing:initialize)
        open
        read -r line && id=1 && answer '{"flags":[]}'
        # Some of the next request, so that it is on its way.
        dd bs=1 count=40 >/dev/null 2>&1
        id=2
        step '"event":"start","inProgress":"Thinking","completed":"Thought"'
        hang ;;

    # Crashes.
    crash:create) make; echo "panic: out of luck" >&2; exit 3 ;;
    crash-child:create) make; leave_child; exit 3 ;;
    busy:create | counting:create) make; exit 3 ;;
    quits:shutdown) exit 9 ;;

    # Instances that are none, or another's.
    created:create) make; answer "$(instance created)" ;;
    climbing:create) make; answer "$(instance stopped ../../etc)" ;;
    stranger:create) answer "$(instance stopped bad-1 0000)" ;;
    renames:create) make; answer "$(instance stopped bad-1 "" other)" ;;
    stranger:start | stranger:stop) answer "$(instance running bad-1 0000)" ;;
    moves:start) answer "$(instance running bad-2)" ;;
    paused:start | paused:stop | paused:info) answer "$(instance paused)" ;;
    idle:start) answer "$(instance stopped)" ;;
    idle:stop) answer "$(instance running)" ;;
    endless:list) answer '{"instances":[],"nextCursor":"more"}' ;;
    counting:list) n=$((n + 1)); answer "{\"instances\":[],\"nextCursor\":\"$n\"}" ;;
    double:list) answer "{\"instances\":[$(instance),$(instance)]}" ;;
    paused:list) answer "{\"instances\":[$(instance paused)]}" ;;
    paged:create) make; answer "$(instance created)" ;;
    paged:list)
        case $line in
        *cursor*) answer "{\"instances\":[$(instance)]}" ;;
        *) answer '{"instances":[],"nextCursor":"2"}' ;;
        esac ;;
    busy:remove) echo >>"$0.tries"; refuse '{"code":1007,"message":"being copied","data":{"kind":"busy","hints":[]}}' ;;

    # Ways in, and those that lead nowhere.
    leads-in:terminal)
        script="kill -0 $$ 2>/dev/null && exit 1; read -r typed; echo \$typed \$ADDED \$BAD \$KDN_RUNTIME_PROTOCOL \$OF_THE_USER; pwd; echo err >&2; exit 43"
        answer "{\"program\":\"/bin/sh\",\"args\":[\"-c\",\"$script\"],\"env\":{\"ADDED\":\"added\",\"BAD\":null},\"cwd\":\"/\"}" ;;
    relative:terminal) answer '{"program":"sh","args":["-c","exit 9"]}' ;;
    missing:terminal) answer '{"program":"/nowhere/at/all"}' ;;
    no-program:terminal) answer '{"program":"/etc/passwd"}' ;;
    folder:terminal) answer '{"program":"/etc"}' ;;
    nul:terminal) answer '{"program":"/bin/sh","args":["-c","exit\u00009"]}' ;;
    nul-name:terminal) answer '{"program":"/bin/sh","env":{"A\u0000B":"1"}}' ;;
    odd-name:terminal) answer '{"program":"/bin/sh","env":{"A=B":"1"}}' ;;
    relative-folder:terminal) answer '{"program":"/bin/sh","cwd":"here"}' ;;
    missing-folder:terminal) answer '{"program":"/bin/sh","cwd":"/nowhere"}' ;;

    # Pages, and what is none.
    page:initialize | no-page:initialize | file:initialize | javascript:initialize | argument:initialize | escaped-page:initialize)
        open "$(manifest | sed 's/"terminal":{},/&"dashboard":{},/')" ;;
    page:dashboard) answer '{"url":"http://127.0.0.1:34871/?a=1"}' ;;
    no-page:dashboard) refuse '{"code":1004,"message":"none for this one","data":{"kind":"unsupported"}}' ;;
    file:dashboard) answer '{"url":"file:///etc/passwd"}' ;;
    javascript:dashboard) answer '{"url":"javascript:alert(1)//http://x"}' ;;
    argument:dashboard) answer '{"url":"--version"}' ;;
    escaped-page:dashboard) answer '{"url":"http://x/\u001b[2J"}' ;;

    # Too much, and too colourful.
    escapes:initialize) open "$(manifest bad '\u001b[2J\u202eBad' true)" ;;
    escapes:create)
        step '"event":"start","inProgress":"\u001b[31mMaking\nit","completed":"made"'
        refuse '{"code":1003,"message":"no \u001b]0;title\u0007 way","data":{"kind":"unavailable","hints":["\u001b[1mtry \u009b2J"]}}' ;;
    noisy:create)
        printf 'warning: \033[31mslow\n' >&2
        step '"event":"start","inProgress":"Pulling","completed":"Pulled"'
        step '"event":"update","current":1,"total":2,"unit":"layers","message":"base"'
        log '"stream":"stdout","text":"layer 1\nlayer 2\n"'
        step '"event":"start","inProgress":"Caching","completed":"Cached"'
        step '"event":"fail","error":"disk full"'
        make; answer "$(instance)" ;;
    floods-steps:create)
        step '"event":"start","inProgress":"Counting","completed":"Counted"' >"$dir/start"
        step '"event":"complete"' >>"$dir/start"
        for _ in 1 2 3 4 5 6; do cat "$dir/start" "$dir/start" "$dir/start" "$dir/start" >"$dir/more" && mv "$dir/more" "$dir/start"; done
        cat "$dir/start" && rm "$dir/start"
        make; answer "$(instance)" ;;
    odd-steps:create)
        step '"event":"start","inProgress":"Working","completed":"Worked"'
        step '"event":"celebrate","message":"hooray"'
        own=$id && id=98
        step '"event":"start","inProgress":"Not mine","completed":"Never mine"'
        id='"1"'
        step '"event":"complete"'
        id=$own
        step '"event":7'
        log '"stream":"aether","text":"to nobody"'
        make; answer "$(instance)"
        step '"event":"fail","error":"too late"' ;;
    slow:create)
        make
        step '"event":"start","inProgress":"Working","completed":"Worked"'
        until [ -e "$0.go" ]; do sleep 0.01; done
        answer "$(instance)" ;;
    wins:create)
        make
        step '"event":"start","inProgress":"Working","completed":"Worked"'
        read -r line; answer "$(instance)" ;;
    deaf:create) step '"event":"start","inProgress":"Working","completed":"Worked"'; while :; do hang; done ;;
    quitter:initialize) open "$(manifest | sed 's/"cancellation":{},//')" ;;
    quitter:create)
        make
        step '"event":"start","inProgress":"Working","completed":"Worked"'
        read -r line; exit 1 ;;

    # A good one.
    *:type) answer "$(manifest)" ;;
    *:flags) answer '{"flags":[{"name":"bad-size","usage":"Size"},{"name":"storage","usage":"x"},{"name":"sources","usage":"Sources"},{"name":"bad-size","usage":"Again"},{"name":"--x =","usage":""}]}' ;;
    *:initialize) open ;;
    *:status) answer '{"state":"ready","hints":[]}' ;;
    *:listAgents) answer '{"agents":[{"name":"claude"},{"name":"aider"}]}' ;;
    *:create) make; answer "$(instance)" ;;
    *:start) answer "$(instance running)" ;;
    *:info | *:stop) answer "$(instance)" ;;
    *:list) if [ -e "$dir/id" ]; then answer "{\"instances\":[$(instance)]}"; else answer '{"instances":[]}'; fi ;;
    *:remove) rm -f "$dir/id"; answer '{}' ;;
    *:terminal) answer '{"program":"/bin/sh","args":["-c","exit 9"]}' ;;
    *:shutdown) answer '{}' ;;
    esac
done

# bash completion for baton; services and instances are those of the running supervisor.

# The first column of a list of the supervisor's, without its head; nothing where none answers.
__baton_names() {
    timeout 2 "${__baton_command[@]}" get "$1" 2>/dev/null | awk 'NR > 1 && $1 != "" { print $1 }'
}

_baton() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local -a __baton_command=("${COMP_WORDS[0]}")
    local command="" kind="" words="" index
    for ((index = 1; index < COMP_CWORD; ++index)); do
        case ${COMP_WORDS[index]} in
            --socket) __baton_command+=(--socket "${COMP_WORDS[index + 1]}"); ((++index)) ;;
            -o | --output | -n | --lines | --binary | --soak) ((++index)) ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=${COMP_WORDS[index]}; elif [[ -z $kind ]]; then kind=${COMP_WORDS[index]}; fi ;;
        esac
    done
    case $previous in
        -o | --output) words="table json" ;;
        --socket | --binary) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        -n | --lines | --soak) return ;;
        *)
            if [[ $current == -* ]]; then
                words="--socket -o --output -h --help"
                case $command in
                    "") words+=" -V --version" ;;
                    logs) words+=" -f --follow -n --lines" ;;
                    events) words+=" -f --follow" ;;
                    reload) words+=" --no-wait" ;;
                    upgrade) words+=" --binary --soak --no-wait" ;;
                    shutdown) words+=" --fast" ;;
                esac
            else
                case $command in
                    "") words="status get logs events start stop restart scale weight drain ready maint reload plugin upgrade reopen shutdown" ;;
                    get)
                        if [[ -z $kind ]]; then
                            words="service instance listener worker node revision generation plugin"
                        else
                            case $kind in
                                service* | revision*) words=$(__baton_names service) ;;
                                instance*) words="$(__baton_names service) $(__baton_names instance)" ;;
                                listener*) words=$(__baton_names listener) ;;
                            esac
                        fi
                        ;;
                    start | stop | restart | logs) [[ -n $kind ]] || words="$(__baton_names service) $(__baton_names instance)" ;;
                    plugin)
                        if [[ -z $kind ]]; then
                            words="list check reload"
                        elif [[ $kind == check ]]; then
                            mapfile -t COMPREPLY < <(compgen -f -- "$current")
                            return
                        fi
                        ;;
                    scale) [[ -n $kind ]] || words=$(__baton_names service) ;;
                    weight | drain | ready | maint) [[ -n $kind ]] || words=$(__baton_names instance) ;;
                esac
            fi
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _baton baton

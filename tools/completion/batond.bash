# bash completion for batond.
_batond() {
    local current=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[COMP_CWORD - 1]} in
        -c) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        -p) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        -s) mapfile -t COMPREPLY < <(compgen -W "stop quit reload reopen upgrade" -- "$current") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "-c -p -d -t -T -s -v -V -h" -- "$current") ;;
    esac
}
complete -o filenames -F _batond batond

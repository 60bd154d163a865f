# Bash completion for fit, train_2d, train_cifar10 and train_images: `make install`, or `source docs/completion/itdiff.bash`.
# One option a line, with the words it takes if there are only a few;
# where there are none, names of files are offered.
itdiff_fit='
data
columns
drop_missing on off
validation
test
dequantize auto off
seed
num_epochs
minutes
train_batch_size
learning_rate
lr_schedule constant cosine
hidden_size
hidden_layers
resume on off
eval_draws
samples
steps
sampler deterministic ancestral
samples_out
load
scores
train
experiment_name
out
pictures on off
threads
quiet on off
help
version
'
itdiff_train_2d='
dataset dino moons scg line circle
n
fresh on off
seed
num_epochs
train_batch_size
learning_rate
lr_schedule constant cosine
warmup
ema
weight_decay
clip_norm
stratified on off
logsnr_loc
logsnr_scale
logsnr_clip
weight_limit
directions
frequency_min
frequency_max
embedding_size
logsnr_embedding_scale
hidden_size
hidden_layers
activation relu silu
original on off
parameterization plain gaussian
embedding on off
coordinate_scale
eval_draws
eval_batch_size
grid
samples
steps
sampler deterministic ancestral
experiment_name
out
resume on off
pictures on off
view on off
load
threads
quiet on off
help
version
'
itdiff_train_cifar10='
data
test
synthetic on off
n
flips on off
seed
hours
num_epochs
train_batch_size
rows
learning_rate
warmup
ema
clip_norm
weight_limit
logistic_params
logsnr_clip
pretrained
prefix
step table exact
features
blocks
attention
eval on off
eval_images
eval_draws
stderr
reference full axes
with
per_sample
eval_batch_size
sample
steps
sampler deterministic ancestral
denoise on off
pictures on off
experiment_name
out
load
resume on off
checkpoint_minutes
eval_minutes
half
threads
quiet on off
curves
help
version
'
itdiff_train_images='
data
test
n
flips on off
seed
minutes
num_epochs
train_batch_size
rows
learning_rate
warmup
ema
clip_norm
weight_limit
logistic_params
logsnr_clip
features
blocks
attention
eval on off
eval_images
eval_draws
stderr
reference full axes
with
scores
eval_batch_size
sample
steps
sampler deterministic ancestral
denoise on off
pictures on off
experiment_name
out
load
resume on off
checkpoint_minutes
eval_minutes
half
threads
quiet on off
help
version
'

_itdiff() { # program, word so far, word before
    local list=itdiff_${1##*/} words= IFS=$' \t\n'
    case $2,$3 in
    -*) words=$(printf '%s\n' "${!list}" | sed -n 's/^\([a-z_0-9]\{1,\}\).*/--\1/p') ;;
    *,--*[!a-z_0-9-]*) ;;
    *,--*) words=$(printf '%s\n' "${!list}" | sed -n "s/^${3#--} //p") ;;
    esac
    if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$2"))
    else IFS=$'\n'; COMPREPLY=($(compgen -f -- "$2")); fi
}
complete -o filenames -F _itdiff fit train_2d train_cifar10 train_images

/* The S3 clients that `lobosctl config` knows. */
#ifndef LB_CTL_CONFIG_TARGETS_H
#define LB_CTL_CONFIG_TARGETS_H

#define LB_CONFIG_TARGETS "aws boto3 rclone s3cmd warp lmcache vllm curl"

#endif

# What programs read: policies, and what modules write.
aion_fuzz(fuzz_policy SOURCES fuzz_policy.c LINK aion_router
    CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/policy" DICT "${CMAKE_CURRENT_SOURCE_DIR}/policy.dict")
aion_fuzz(fuzz_frame SOURCES fuzz_frame.c LINK aion_module_sdk CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/frame")
aion_fuzz(fuzz_frames SOURCES fuzz_frames.c LINK aion_control CORPUS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/frames")
